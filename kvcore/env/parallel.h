// InParallel: one piece of work per index, spread over the threads of the scheduler and
// the caller's own. For work that costs much more than a task does, a hash of 128 KiB say.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "kvcore/base/task.h"
#include "kvcore/env/completion.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::env {

// Calls work(i) once for each i below `count`, in any order, and returns when all have returned.
// The caller begins at once, so nothing waits where no thread is free; up to three tasks join in,
// of kFlush, since somebody waits for the buffers that this empties.
inline Task<void> InParallel(Scheduler* scheduler, size_t count, std::function<void(size_t)> work) {
  constexpr size_t kMaxHelpers = 3;
  struct Shared {
    Shared(Scheduler* its_scheduler, size_t its_count, std::function<void(size_t)> its_work)
        : count(its_count), work(std::move(its_work)), done(its_scheduler) {}
    // True: this was the last of all to return.
    bool Join() {
      bool was_last = false;
      for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
        work(i);
        was_last = finished.fetch_add(1) + 1 == count;
      }
      return was_last;
    }
    const size_t count;
    const std::function<void(size_t)> work;  // borrows from the caller: only called for i < count
    std::atomic<size_t> next{0};
    std::atomic<size_t> finished{0};
    const Completion<bool> done;
  };
  if (count == 0) {
    co_return;
  }
  auto shared = std::make_shared<Shared>(scheduler, count, std::move(work));
  for (size_t i = 0; i < std::min(kMaxHelpers, count - 1); ++i) {
    scheduler->Post(Priority::kFlush, [shared] {
      if (shared->Join()) {
        shared->done.Set(true);
      }
    });
  }
  if (!shared->Join()) {
    (void)co_await shared->done.Get();
  }
}

}  // namespace kvfs::env
