// PosixClock: the machine's clocks. Stateless and thread-safe.
#pragma once

#include "kvcore/env/clock.h"

namespace kvfs::env::posix {

class PosixClock final : public Clock {
 public:
  int64_t WallNanos() override;
  int64_t MonotonicMicros() override;
};

}  // namespace kvfs::env::posix
