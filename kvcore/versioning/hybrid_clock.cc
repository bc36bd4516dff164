#include "kvcore/versioning/hybrid_clock.h"

#include <algorithm>

namespace kvfs::versioning {

HybridTime HybridClock::Now(int64_t wall_millis) {
  const HybridTime wall = HybridFromMillis(wall_millis);
  HybridTime last = last_.load(std::memory_order_relaxed);
  HybridTime next = 0;
  do {
    next = std::max(wall, last + 1);
  } while (!last_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return next;
}

Status HybridClock::Observe(HybridTime seen, int64_t wall_millis) {
  if (seen > HybridFromMillis(wall_millis + max_lead_millis_)) {
    return Status::InvalidArgument("a clock elsewhere is " +
                                   std::to_string(MillisOf(seen) - wall_millis) +
                                   " ms ahead of this machine's");
  }
  HybridTime last = last_.load(std::memory_order_relaxed);
  while (last < seen && !last_.compare_exchange_weak(last, seen, std::memory_order_relaxed)) {
  }
  return Status::Ok();
}

}  // namespace kvfs::versioning
