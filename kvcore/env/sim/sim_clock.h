// SimClock: the clock of one simulated machine. Monotonic time is the
// scheduler's; the wall clock may be set, jump, and run too fast or too slow.
// Single-threaded; the scheduler outlives it.
#pragma once

#include "kvcore/env/clock.h"
#include "kvcore/env/sim/sim_scheduler.h"

namespace kvfs::env::sim {

class SimClock final : public Clock {
 public:
  // 2026-01-01T00:00:00Z, the wall time at virtual time 0.
  static constexpr int64_t kStartNanos = int64_t{1'767'225'600} * 1'000'000'000;

  explicit SimClock(const SimScheduler* scheduler) : scheduler_(scheduler) {}

  int64_t WallNanos() override;
  int64_t MonotonicMicros() override { return scheduler_->NowMicros(); }

  void SetWallNanos(int64_t nanos);
  void JumpWall(int64_t nanos) { SetWallNanos(WallNanos() + nanos); }
  // From now on the wall clock gains (or loses) so many microseconds per second.
  void SetDrift(int64_t micros_per_second);

 private:
  const SimScheduler* const scheduler_;
  int64_t base_wall_ = kStartNanos;  // the wall time at base_micros_
  int64_t base_micros_ = 0;
  int64_t drift_ = 0;
};

}  // namespace kvfs::env::sim
