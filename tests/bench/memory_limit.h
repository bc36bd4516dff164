// MemoryLimit: a control group with a bound on the memory of the processes that join it, page cache
// included.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

namespace kvfs::bench {

class MemoryLimit {
 public:
  // Null, and `why`, where no such group can be made.
  static std::unique_ptr<MemoryLimit> Make(uint64_t bytes, std::string* why);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

  // The calling process is under the limit from now on.
  bool Join() const;

 private:
  explicit MemoryLimit(std::string group) : group_(std::move(group)) {}

  const std::string group_;
};

}  // namespace kvfs::bench
