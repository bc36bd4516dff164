#include "fs/vfs/space_budget.h"

#include <algorithm>

namespace kvfs::fs {

Task<Errno> SpaceBudget::Take(uint64_t bytes) {
  const int64_t wanted = static_cast<int64_t>(std::min<uint64_t>(bytes, INT64_MAX / 4));
  const int64_t now = clock_->MonotonicMicros();
  if (now - refreshed_at_.load(std::memory_order_relaxed) < kRefreshMicros &&
      left_.fetch_sub(wanted, std::memory_order_relaxed) >= wanted) {
    co_return Errno();
  }
  auto space = co_await client_->Space();
  if (!space.ok()) {
    co_return ToErrno(space.error());
  }
  // Buffered bytes will be stored with something around them: a percent on top.
  const int64_t buffered = buffered_->load(std::memory_order_relaxed);
  const int64_t available =
      static_cast<int64_t>(std::min<uint64_t>(space->available_bytes, INT64_MAX / 4));
  const int64_t left = available - buffered - buffered / 100 - kMarginBytes - wanted;
  left_.store(left, std::memory_order_relaxed);
  refreshed_at_.store(now, std::memory_order_relaxed);
  co_return left < 0 ? Errno(ENOSPC) : Errno();
}

}  // namespace kvfs::fs
