// Rows over many small files and directories.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/bench/posix_util.h"
#include "tests/bench/workload.h"

namespace kvfs::bench {
namespace {

double Create(Workload& w) {
  Check(mkdir(w.Path("small").c_str(), 0755), "mkdir small");
  const std::string data = MakeBytes(4096, 1, true);
  for (uint64_t i = 0; i < w.small_files(); ++i) WriteFile(w.SmallFile(i), data);
  w.have_small = true;
  return static_cast<double>(w.small_files());
}

// What `ls -l` does: readdir, then lstat of every name.
double List(Workload& w) {
  const std::string path = w.Path("small");
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) ThrowErrno("opendir " + path);
  uint64_t entries = 0;
  while (const dirent* entry = readdir(dir)) {
    struct stat st;
    Check(fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW), "fstatat");
    if (S_ISREG(st.st_mode)) ++entries;
  }
  closedir(dir);
  if (entries != w.small_files()) {
    throw std::runtime_error("readdir saw " + std::to_string(entries) + " files");
  }
  return static_cast<double>(entries);
}

double Stat(Workload& w) {
  for (uint64_t i = 0; i < w.small_files(); ++i) {
    struct stat st;
    Check(stat(w.SmallFile(i).c_str(), &st), "stat");
  }
  return static_cast<double>(w.small_files());
}

double Read(Workload& w) {
  std::vector<char> buffer(65536);
  for (uint64_t i = 0; i < w.small_files(); ++i) {
    if (ReadWholeFile(w.SmallFile(i), &buffer) != 4096) throw std::runtime_error("wrong size");
  }
  return static_cast<double>(w.small_files());
}

// There and back, so that the next row finds the names it knows.
double Rename(Workload& w) {
  for (uint64_t i = 0; i < w.small_files(); ++i) {
    const std::string from = w.SmallFile(i);
    Check(rename(from.c_str(), (from + ".r").c_str()), "rename");
  }
  for (uint64_t i = 0; i < w.small_files(); ++i) {
    const std::string to = w.SmallFile(i);
    Check(rename((to + ".r").c_str(), to.c_str()), "rename");
  }
  return static_cast<double>(2 * w.small_files());
}

double Unlink(Workload& w) {
  for (uint64_t i = 0; i < w.small_files(); ++i) Check(unlink(w.SmallFile(i).c_str()), "unlink");
  Check(rmdir(w.Path("small").c_str()), "rmdir small");
  w.have_small = false;
  return static_cast<double>(w.small_files());
}

void PrepareFsyncDirectory(Workload& w) {
  Check(mkdir(w.Path("synced").c_str(), 0755), "mkdir synced");
}

double CreateFsync(Workload& w) {
  const uint64_t files = w.Scaled(2000, 10);
  const std::string data = MakeBytes(4096, 2, true);
  for (uint64_t i = 0; i < files; ++i) WriteFile(w.Path("synced/" + std::to_string(i)), data, true);
  return static_cast<double>(files);
}

double AppendFsync(Workload& w) {
  const uint64_t appends = w.Scaled(2000, 10);
  const std::string data = MakeBytes(100, 3, true);
  File file(w.Path("journal"), O_WRONLY | O_CREAT | O_APPEND);
  for (uint64_t i = 0; i < appends; ++i) {
    file.Write(data);
    file.Sync();
  }
  file.Close();
  return static_cast<double>(appends);
}

double Mkdir(Workload& w) {
  Check(mkdir(w.Path("dirs").c_str(), 0755), "mkdir dirs");
  for (uint64_t i = 0; i < w.small_files(); ++i) {
    Check(mkdir(w.Path("dirs/" + std::to_string(i)).c_str(), 0755), "mkdir");
  }
  return static_cast<double>(w.small_files());
}

void NeedDirs(Workload& w) {
  if (access(w.Path("dirs").c_str(), F_OK) != 0) Mkdir(w);
}

double Rmdir(Workload& w) {
  for (uint64_t i = 0; i < w.small_files(); ++i) {
    Check(rmdir(w.Path("dirs/" + std::to_string(i)).c_str()), "rmdir");
  }
  return static_cast<double>(w.small_files());
}

}  // namespace

std::vector<Row> SmallFileRows() {
  const auto small = [](Workload& w) { w.NeedSmallFiles(); };
  return {
      {"create", "create 4 KiB files", "ops/s", false, nullptr, Create},
      {"list", "`ls -l`, cold", "ops/s", true, small, List},
      {"stat", "stat, warm", "ops/s", false, small, Stat},
      {"read_cold", "read them, cold", "ops/s", true, small, Read},
      {"read_warm", "read them, warm", "ops/s", false, small, Read},
      {"rename", "rename", "ops/s", false, small, Rename},
      {"unlink", "unlink", "ops/s", false, small, Unlink},
      {"create_fsync", "create + fsync", "ops/s", false, PrepareFsyncDirectory, CreateFsync},
      {"append_fsync", "append 100 B + fsync", "ops/s", false, nullptr, AppendFsync},
      {"mkdir", "mkdir", "ops/s", false, nullptr, Mkdir},
      {"rmdir", "rmdir", "ops/s", false, NeedDirs, Rmdir},
  };
}

}  // namespace kvfs::bench
