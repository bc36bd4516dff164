// Operations on names.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "tests/fuse/model/compare.h"
#include "tests/fuse/model/model.h"

namespace kvfs::model {
namespace {

std::string Octal(unsigned mode) {
  char buffer[16];
  snprintf(buffer, sizeof buffer, "%o", mode);
  return buffer;
}

}  // namespace

void Model::OpCreate() {
  const std::string path = Chance(80) ? NewPath() : AnyPath(S_IFREG);
  int flags = O_CREAT | O_RDWR | O_NOFOLLOW;
  if (Chance(40)) flags |= O_EXCL;
  if (Chance(20)) flags |= O_APPEND;
  if (Chance(15)) flags |= O_TRUNC;
  static constexpr unsigned kModes[] = {0644, 0600, 0755, 0666, 0444, 04755, 02755, 0};
  OpenHandle(path, flags, kModes[Below(8)]);
}

void Model::OpMkdir() {
  const std::string path = Chance(85) ? NewPath() : AnyPath();
  static constexpr unsigned kModes[] = {0755, 0777, 0700, 01777, 02775, 0500};
  const unsigned mode = kModes[Below(6)];
  const Outcome outcome = Both("mkdir " + path + " " + Octal(mode), [&](int side) {
    return FromCall(mkdir(Full(side, path).c_str(), mode));
  });
  if (outcome.ok()) tree_.Add(path, S_IFDIR);
}

void Model::OpRmdir() {
  const std::string path = AnyPath(S_IFDIR);
  const Outcome outcome =
      Both("rmdir " + path, [&](int side) { return FromCall(rmdir(Full(side, path).c_str())); });
  if (outcome.ok()) tree_.Remove(path);
}

void Model::OpUnlink() {
  const std::string path = AnyPath(S_IFREG);
  const Outcome outcome =
      Both("unlink " + path, [&](int side) { return FromCall(unlink(Full(side, path).c_str())); });
  if (outcome.ok()) tree_.Remove(path);
}

void Model::OpRename() {
  const std::string from = AnyPath();
  const std::string to = Chance(50) ? NewPath() : AnyPath();
  static constexpr unsigned kFlags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
  const unsigned flags = kFlags[Below(5)];
  // Which names are one file decides what a rename does to the tree.
  struct stat a, b;
  const bool same = lstat(Full(1, from).c_str(), &a) == 0 && lstat(Full(1, to).c_str(), &b) == 0 &&
                    a.st_ino == b.st_ino;
  const Outcome outcome =
      Both("rename " + from + " " + to + " flags=" + std::to_string(flags), [&](int side) {
        return FromCall(
            renameat2(AT_FDCWD, Full(side, from).c_str(), AT_FDCWD, Full(side, to).c_str(), flags));
      });
  if (!outcome.ok() || same) return;
  if (flags == RENAME_EXCHANGE) {
    tree_.Exchange(from, to);
  } else {
    tree_.Move(from, to);
  }
}

void Model::OpLink() {
  const std::string from = AnyPath(S_IFREG);
  const std::string to = Chance(85) ? NewPath() : AnyPath();
  struct stat st {};
  lstat(Full(1, from).c_str(), &st);
  const Outcome outcome = Both("link " + from + " " + to, [&](int side) {
    return FromCall(link(Full(side, from).c_str(), Full(side, to).c_str()));
  });
  if (outcome.ok()) tree_.Add(to, st.st_mode);
}

void Model::OpSymlink() {
  const std::string path = NewPath();
  std::string target;
  switch (Below(4)) {
    case 0:
      target = "n" + std::to_string(Below(24));
      break;
    case 1:
      target = "../n" + std::to_string(Below(24));
      break;
    case 2:
      target = std::string(1 + Below(1000), 't');
      break;
    default:
      target = ".";
  }
  const Outcome outcome = Both("symlink " + target + " " + path, [&](int side) {
    return FromCall(symlink(target.c_str(), Full(side, path).c_str()));
  });
  if (outcome.ok()) tree_.Add(path, S_IFLNK);
}

void Model::OpReadlink() {
  const std::string path = AnyPath(S_IFLNK);
  Both("readlink " + path, [&](int side) {
    char buffer[4096];
    Outcome outcome = FromCall(readlink(Full(side, path).c_str(), buffer, sizeof buffer));
    if (outcome.ok()) outcome.data.assign(buffer, static_cast<size_t>(outcome.result));
    return outcome;
  });
}

void Model::OpMknod() {
  const std::string path = NewPath();
  static constexpr unsigned kTypes[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG};
  const unsigned type = kTypes[Below(5)];
  const dev_t device =
      type == S_IFCHR || type == S_IFBLK
          ? makedev(static_cast<unsigned>(240 + Below(10)), static_cast<unsigned>(Below(1000)))
          : 0;
  const Outcome outcome = Both("mknod " + path + " " + Octal(type | 0640), [&](int side) {
    return FromCall(mknod(Full(side, path).c_str(), type | 0640, device));
  });
  if (outcome.ok()) tree_.Add(path, type);
}

void Model::OpReaddir() {
  const std::string path = Chance(85) ? AnyDirectory() : AnyPath();
  Both("readdir " + path, [&](int side) {
    DIR* dir = opendir(Full(side, path).c_str());
    if (dir == nullptr) return FromCall(-1);
    std::vector<std::string> lines;
    errno = 0;
    while (const dirent* entry = readdir(dir)) {
      lines.push_back(std::string(entry->d_name) + ":" + std::to_string(entry->d_type));
    }
    Outcome outcome;
    if (errno != 0) outcome = FromCall(-1);
    closedir(dir);
    std::sort(lines.begin(), lines.end());
    for (const std::string& line : lines) outcome.data += line + " ";
    return outcome;
  });
}

void Model::OpLongName() {
  const std::string directory = AnyDirectory();
  const std::string path =
      directory + "/" + std::string(254 + Below(3), static_cast<char>('a' + Below(3)));
  const bool remove = Chance(50);
  const Outcome outcome = Both((remove ? "rmdir " : "mkdir ") + path, [&](int side) {
    return FromCall(remove ? rmdir(Full(side, path).c_str())
                           : mkdir(Full(side, path).c_str(), 0755));
  });
  if (!outcome.ok()) return;
  if (remove) {
    tree_.Remove(path);
  } else {
    tree_.Add(path, S_IFDIR);
  }
}

// What most programs do: write a file anew, whole; and read one, whole.
void Model::OpWriteWhole() {
  const std::string path = Chance(60) ? NewPath() : AnyPath(S_IFREG);
  if (Chance(40)) {
    Both("read all of " + path, [&](int side) {
      struct stat st;
      if (stat(Full(side, path).c_str(), &st) != 0) return FromCall(-1);
      Outcome outcome;
      if (S_ISREG(st.st_mode) && !ReadFile(Full(side, path), &outcome.data)) {
        outcome = FromCall(-1);
      }
      return outcome;
    });
    return;
  }
  const std::string bytes = Bytes(Length());
  const Outcome outcome =
      Both("write all of " + path + " size=" + std::to_string(bytes.size()), [&](int side) {
        const int fd =
            open(Full(side, path).c_str(),
                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        if (fd < 0) return FromCall(-1);
        Outcome written = FromCall(write(fd, bytes.data(), bytes.size()));
        if (close(fd) != 0) written = FromCall(-1);
        return written;
      });
  if (outcome.ok()) tree_.Add(path, S_IFREG);
}

}  // namespace kvfs::model
