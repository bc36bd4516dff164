#include "kvcore/env/posix/posix_clock.h"

#include <time.h>

namespace kvfs::env::posix {
namespace {

int64_t ReadNanos(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);  // cannot fail for these two clocks
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t PosixClock::WallNanos() { return ReadNanos(CLOCK_REALTIME); }
int64_t PosixClock::MonotonicMicros() { return ReadNanos(CLOCK_MONOTONIC) / 1000; }

}  // namespace kvfs::env::posix
