// TaskSet: tasks that run on by themselves, and somebody who must outlive them. Thread-safe.
// Drain() before it is destroyed.
#pragma once

#include <cassert>
#include <mutex>
#include <optional>
#include <utility>

#include "kvcore/base/task.h"
#include "kvcore/env/completion.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::env {

// Waits `micros` (>= 0).
inline Task<void> SleepFor(Scheduler* scheduler, int64_t micros) {
  Completion<bool> over(scheduler);
  scheduler->PostAfter(micros, Priority::kForeground, [over] { over.Set(true); });
  co_await over.Get();
}

class TaskSet {
 public:
  explicit TaskSet(Scheduler* scheduler) : scheduler_(scheduler) {}
  TaskSet(const TaskSet&) = delete;
  TaskSet& operator=(const TaskSet&) = delete;
  ~TaskSet() { assert(running_ == 0); }

  void Start(Task<void> task) {
    {
      std::lock_guard lock(mutex_);
      ++running_;
    }
    Await(std::move(task)).Detach();
  }

  // Waits until none runs. One waiter; nothing may be started meanwhile but by those that run.
  Task<void> Drain() {
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

 private:
  Task<void> Await(Task<void> task) {
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

  Scheduler* const scheduler_;
  std::mutex mutex_;  // guards the rest
  int running_ = 0;
  std::optional<Completion<bool>> drained_;
};

}  // namespace kvfs::env
