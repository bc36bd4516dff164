// TaskSet: tasks that run on by themselves, and somebody who must outlive them. Thread-safe.
// Drain() before it is destroyed.
#pragma once

#include <atomic>
#include <cassert>
#include <mutex>
#include <optional>
#include <utility>

#include "kvcore/base/task.h"
#include "kvcore/env/completion.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::env {

// Waits `micros` (>= 0).
Task<void> SleepFor(Scheduler* scheduler, int64_t micros);
// The same, but ends soon after `over` becomes true. False: it has.
Task<bool> SleepUnless(Scheduler* scheduler, int64_t micros, const std::atomic<bool>* over);

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
  Task<void> Drain();

 private:
  Task<void> Await(Task<void> task);

  Scheduler* const scheduler_;
  std::mutex mutex_;  // guards the rest
  int running_ = 0;
  std::optional<Completion<bool>> drained_;
};

}  // namespace kvfs::env
