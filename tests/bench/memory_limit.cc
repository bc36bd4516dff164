#include "tests/bench/memory_limit.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace kvfs::bench {
namespace {

bool WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text << std::flush;
  return out.good();
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
