#include "tests/fuse/model/compare.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "tests/fuse/model/outcome.h"

namespace kvfs::model {
namespace {

bool ListNames(const std::string& path, std::vector<std::string>* names) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return false;
  errno = 0;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names->push_back(name);
  }
  const int error = errno;
  closedir(dir);
  errno = error;
  std::sort(names->begin(), names->end());
  return error == 0;
}

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + " ";
  return text;
}

class TreeComparison {
 public:
  TreeComparison(const std::string& under_test, const std::string& reference)
      : roots_{under_test, reference} {}

  std::string Compare(const std::string& path) {
    struct stat st[2];
    for (int side = 0; side < 2; ++side) {
      if (lstat((roots_[side] + path).c_str(), &st[side]) != 0) return Failed("lstat", side, path);
    }
    const std::string attributes = DescribeAttributes(st[0]);
    if (attributes != DescribeAttributes(st[1])) {
      return path + ": attributes " + attributes + ", reference " + DescribeAttributes(st[1]);
    }
    if (!TimesAgree(st[0].st_mtim, st[1].st_mtim)) {
      return path + ": mtime " + std::to_string(st[0].st_mtim.tv_sec) + "." +
             std::to_string(st[0].st_mtim.tv_nsec) + ", reference " +
             std::to_string(st[1].st_mtim.tv_sec) + "." + std::to_string(st[1].st_mtim.tv_nsec);
    }
    if (std::string found = CompareXattrs(path); !found.empty()) return found;
    if (S_ISDIR(st[0].st_mode)) return CompareDirectory(path);
    if (std::string found = CompareIdentity(path, st); !found.empty()) return found;
    if (S_ISLNK(st[0].st_mode)) return CompareTarget(path);
    if (S_ISREG(st[0].st_mode)) return CompareContent(path);
    return "";
  }

 private:
  std::string Failed(const std::string& call, int side, const std::string& path) const {
    return call + " of " + roots_[side] + path + ": " + strerror(errno);
  }

  // The first path under which a file was seen must be the same on both sides.
  std::string CompareIdentity(const std::string& path, const struct stat* st) {
    std::string first[2];
    for (int side = 0; side < 2; ++side) {
      first[side] = first_path_[side].emplace(st[side].st_ino, path).first->second;
    }
    if (first[0] == first[1]) return "";
    return path + ": is a link of " + first[0] + ", reference of " + first[1];
  }

  std::string CompareXattrs(const std::string& path) const {
    std::string text[2];
    for (int side = 0; side < 2; ++side) {
      if (!ReadAttributes(roots_[side] + path, &text[side])) return Failed("xattrs", side, path);
    }
    if (text[0] == text[1]) return "";
    return path + ": xattrs [" + text[0] + "], reference [" + text[1] + "]";
  }

  std::string CompareTarget(const std::string& path) const {
    std::string target[2];
    for (int side = 0; side < 2; ++side) {
      char buffer[4096];
      const ssize_t n = readlink((roots_[side] + path).c_str(), buffer, sizeof buffer);
      if (n < 0) return Failed("readlink", side, path);
      target[side].assign(buffer, static_cast<size_t>(n));
    }
    if (target[0] == target[1]) return "";
    return path + ": target " + target[0] + ", reference " + target[1];
  }

  std::string CompareContent(const std::string& path) const {
    std::string content[2];
    for (int side = 0; side < 2; ++side) {
      if (!ReadFile(roots_[side] + path, &content[side])) return Failed("read", side, path);
    }
    if (content[0] == content[1]) return "";
    return path + ": content differs: " + DescribeDifference(content[0], content[1]);
  }

  std::string CompareDirectory(const std::string& path) {
    std::vector<std::string> names[2];
    for (int side = 0; side < 2; ++side) {
      if (!ListNames(roots_[side] + path, &names[side])) return Failed("readdir", side, path);
    }
    if (names[0] != names[1]) {
      return path + ": names " + Join(names[0]) + ", reference " + Join(names[1]);
    }
    for (const std::string& name : names[0]) {
      if (std::string found = Compare(path + "/" + name); !found.empty()) return found;
    }
    return "";
  }

  const std::string roots_[2];
  std::map<ino_t, std::string> first_path_[2];
};

}  // namespace

bool ReadFile(const std::string& path, std::string* content) {
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  content->clear();
  std::string buffer(1 << 20, '\0');
  ssize_t n;
  while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
    content->append(buffer, 0, static_cast<size_t>(n));
  }
  const int error = errno;
  close(fd);
  errno = error;
  return n == 0;
}

bool ReadAttributes(const std::string& path, std::string* text) {
  char list[65536];
  const ssize_t size = llistxattr(path.c_str(), list, sizeof list);
  if (size < 0) return false;
  std::vector<std::string> lines;
  for (const char* name = list; name < list + size; name += strlen(name) + 1) {
    char value[65536];
    const ssize_t n = lgetxattr(path.c_str(), name, value, sizeof value);
    if (n < 0) return false;
    lines.push_back(std::string(name) + "=" + std::string(value, static_cast<size_t>(n)));
  }
  std::sort(lines.begin(), lines.end());
  text->clear();
  for (const std::string& line : lines) *text += line + "\n";
  return true;
}

std::string CompareTrees(const std::string& under_test, const std::string& reference) {
  return TreeComparison(under_test, reference).Compare("");
}

}  // namespace kvfs::model
