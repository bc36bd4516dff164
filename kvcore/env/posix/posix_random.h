// PosixRandom: the kernel's generator, read in batches. Thread-safe. A process
// that forks must create its own afterwards, or both would draw the same batch.
#pragma once

#include <array>
#include <mutex>

#include "kvcore/env/random.h"

namespace kvfs::env::posix {

class PosixRandom final : public Random {
 public:
  uint64_t Next() override;

 private:
  std::mutex mutex_;
  std::array<uint64_t, 32> batch_{};  // 256 bytes: getrandom never gives fewer of so few
  size_t left_ = 0;
};

}  // namespace kvfs::env::posix
