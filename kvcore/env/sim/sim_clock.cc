#include "kvcore/env/sim/sim_clock.h"

namespace kvfs::env::sim {

int64_t SimClock::WallNanos() {
  const int64_t elapsed = scheduler_->NowMicros() - base_micros_;
  return base_wall_ + elapsed * 1000 + elapsed * drift_ / 1000;
}

void SimClock::SetWallNanos(int64_t nanos) {
  base_wall_ = nanos;
  base_micros_ = scheduler_->NowMicros();
}

void SimClock::SetDrift(int64_t micros_per_second) {
  SetWallNanos(WallNanos());
  drift_ = micros_per_second;
}

}  // namespace kvfs::env::sim
