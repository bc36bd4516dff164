// Operations through open directories, which may have been renamed or removed since.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "tests/fuse/model/model.h"

namespace kvfs::model {
namespace {

constexpr size_t kMaxDirectories = 4;

Outcome ListThrough(int fd) {
  const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return FromCall(-1);
  DIR* dir = fdopendir(copy);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(dir)) names.emplace_back(entry->d_name);
  Outcome outcome;
  if (errno != 0) outcome = FromCall(-1);
  closedir(dir);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) outcome.data += name + " ";
  return outcome;
}

}  // namespace

void Model::OpOpenDirectory() {
  const std::string path = AnyDirectory();
  std::array<int, 2> fd{-1, -1};
  const Outcome outcome = Both("open directory " + path, [&](int side) {
    const int result = open(Full(side, path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd[static_cast<size_t>(side)] = result;
    return FromCall(result < 0 ? -1 : 0);
  });
  if (!outcome.ok()) return;
  if (directories_.size() >= kMaxDirectories) CloseDirectory();
  directories_.push_back({fd, path, O_DIRECTORY});
}

void Model::CloseDirectory() {
  for (const int fd : directories_.front().fd) close(fd);
  directories_.erase(directories_.begin());
}

void Model::OpThroughDirectory() {
  if (directories_.empty()) return OpOpenDirectory();
  const Handle& directory = directories_[Below(directories_.size())];
  const std::string name = "n" + std::to_string(Below(24));
  const std::string where = name + " through what was " + directory.path;
  const auto fd = [&](int side) { return directory.fd[static_cast<size_t>(side)]; };
  switch (Below(6)) {
    case 0:
      Both("create " + where, [&](int side) {
        const int file =
            openat(fd(side), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (file < 0) return FromCall(-1);
        return FromCall(close(file));
      });
      break;
    case 1:
      Both("mkdir " + where,
           [&](int side) { return FromCall(mkdirat(fd(side), name.c_str(), 0750)); });
      break;
    case 2: {
      const int flags = Chance(30) ? AT_REMOVEDIR : 0;
      Both("unlinkat " + where + " flags=" + std::to_string(flags),
           [&](int side) { return FromCall(unlinkat(fd(side), name.c_str(), flags)); });
      break;
    }
    case 3:
      Both("fstat of what was " + directory.path, [&](int side) {
        struct stat st;
        Outcome outcome = FromCall(fstat(fd(side), &st));
        if (outcome.ok()) outcome.data = DescribeAttributes(st);
        return outcome;
      });
      break;
    case 4:
      Both("readdir of what was " + directory.path,
           [&](int side) { return ListThrough(fd(side)); });
      break;
    default:
      Both("stat " + where, [&](int side) {
        struct stat st;
        Outcome outcome = FromCall(fstatat(fd(side), name.c_str(), &st, AT_SYMLINK_NOFOLLOW));
        if (outcome.ok()) outcome.data = DescribeAttributes(st);
        return outcome;
      });
  }
}

}  // namespace kvfs::model
