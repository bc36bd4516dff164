#include "tests/bench/memory_limit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace kvfs::bench {
namespace {

// Into a file of the kernel: one that is not there is not made.
bool WriteFile(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

}  // namespace

std::unique_ptr<MemoryLimit> MemoryLimit::Make(uint64_t bytes, std::string* why) {
  // Version 2 has one tree, version 1 one for each controller.
  struct Place {
    const char* parent;
    const char* limit;
  };
  for (const Place& place : {Place{"/sys/fs/cgroup", "memory.max"},
                             Place{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}}) {
    const std::string group = std::string(place.parent) + "/kvfs-bench-" + std::to_string(getpid());
    if (mkdir(group.c_str(), 0700) != 0) {
      *why = group + ": " + std::strerror(errno);
      continue;
    }
    if (WriteFile(group + "/" + place.limit, std::to_string(bytes))) {
      return std::unique_ptr<MemoryLimit>(new MemoryLimit(group));
    }
    *why = group + "/" + place.limit + " takes no limit";
    rmdir(group.c_str());
  }
  return nullptr;
}

MemoryLimit::~MemoryLimit() { rmdir(group_.c_str()); }

bool MemoryLimit::Join() const {
  return WriteFile(group_ + "/cgroup.procs", std::to_string(getpid()));
}

}  // namespace kvfs::bench
