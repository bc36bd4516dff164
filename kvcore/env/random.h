// Random: the only source of randomness above env. Thread-safe.
#pragma once

#include <cstdint>

namespace kvfs::env {

class Random {
 public:
  virtual ~Random() = default;

  // Uniform over all 64-bit values. The posix one is fit for keys and identities.
  virtual uint64_t Next() = 0;
};

}  // namespace kvfs::env
