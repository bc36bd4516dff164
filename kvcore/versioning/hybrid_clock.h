// HybridClock: times that go with the wall clock, never go back, and are later
// than every time seen so far (Kulkarni et al., "Logical Physical Clocks", 2014).
// Pure: the caller brings the wall clock's reading. Thread-safe, lock-free.
#pragma once

#include <atomic>
#include <cstdint>

#include "kvcore/base/status.h"
#include "kvcore/versioning/version.h"

namespace kvfs::versioning {

inline constexpr int kHybridCounterBits = 16;

inline HybridTime HybridFromMillis(int64_t millis) {
  return millis <= 0 ? 0 : static_cast<uint64_t>(millis) << kHybridCounterBits;
}
inline int64_t MillisOf(HybridTime time) {
  return static_cast<int64_t>(time >> kHybridCounterBits);
}

class HybridClock {
 public:
  // `max_lead_millis`: how far ahead of this machine's clock a time seen elsewhere may be.
  explicit HybridClock(int64_t max_lead_millis) : max_lead_millis_(max_lead_millis) {}

  // Greater than every earlier answer and every time observed.
  HybridTime Now(int64_t wall_millis);

  // A time from elsewhere. kInvalidArgument, and no change, if it leads by more than the bound: one
  // clock that is years ahead must not drag everybody's along.
  Status Observe(HybridTime seen, int64_t wall_millis);

 private:
  const int64_t max_lead_millis_;
  std::atomic<HybridTime> last_{0};
};

}  // namespace kvfs::versioning
