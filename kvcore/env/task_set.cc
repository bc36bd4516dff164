// Not in the header: g++ 12 may lose parts of a coroutine that is inline in several objects
// ("defined in discarded section").
#include "kvcore/env/task_set.h"

#include <algorithm>

namespace kvfs::env {

Task<void> SleepFor(Scheduler* scheduler, int64_t micros) {
  Completion<bool> over(scheduler);
  scheduler->PostAfter(micros, Priority::kForeground, [over] { over.Set(true); });
  co_await over.Get();
}

Task<bool> SleepUnless(Scheduler* scheduler, int64_t micros, const std::atomic<bool>* over) {
  constexpr int64_t kLookMicros = 100'000;
  for (; micros > 0 && !*over; micros -= kLookMicros) {
    co_await SleepFor(scheduler, std::min(micros, kLookMicros));
  }
  co_return !*over;
}

Task<void> TaskSet::Drain() {
  Completion<bool> drained(scheduler_);
  {
    std::lock_guard lock(mutex_);
    if (running_ == 0) {
      co_return;
    }
    drained_ = drained;
  }
  co_await drained.Get();
}

Task<void> TaskSet::Await(Task<void> task) {
  co_await task;
  std::optional<Completion<bool>> drained;
  {
    std::lock_guard lock(mutex_);
    if (--running_ == 0) {
      drained = std::exchange(drained_, std::nullopt);
    }
  }
  if (drained.has_value()) {
    drained->Set(true);
  }
}

}  // namespace kvfs::env
