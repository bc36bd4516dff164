// Memory: what may be said to the system about this process's own memory. Hints that
// change nothing but speed, so an Env may do without. Thread-safe.
#pragma once

#include <cstddef>

namespace kvfs::env {

class Memory {
 public:
  virtual ~Memory() = default;

  // The bytes will all be used, and for long: large pages are worth it.
  virtual void ExpectLongUse(char* begin, size_t bytes) = 0;
};

}  // namespace kvfs::env
