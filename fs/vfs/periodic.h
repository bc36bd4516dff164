// Periodic: one background job, run again and again with a pause in between, never
// twice at once.
//
// Owned by whoever needs the job, which is a callable that outlives it. Thread-safe.
// Stop must be awaited before it is destroyed, if it was started.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <mutex>

#include "kvcore/base/task.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::fs {

class Periodic {
 public:
  using Job = std::function<Task<void>()>;

  Periodic(env::Scheduler* scheduler, int64_t interval_micros, Job job);
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;
  ~Periodic();

  void Start();
  // Ends the current pause, so that the job runs soon.
  void Poke();
  // No job runs after it.
  Task<void> Stop();

 private:
  // Waits for the interval; false if it is time to end.
  struct Pause {
    Periodic* owner;
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) { return owner->BeginPause(waiter); }
    bool await_resume() const { return !owner->IsStopping(); }
  };

  Task<void> Loop();
  bool BeginPause(std::coroutine_handle<> waiter);  // false: do not pause
  void EndPause(uint64_t pause);
  bool IsStopping();

  env::Scheduler* const scheduler_;
  const int64_t interval_micros_;
  const Job job_;

  env::AsyncMutex running_;  // held by the loop for as long as it lives
  std::mutex mutex_;         // guards what follows; not held across calls out but PostAfter
  bool started_ = false;
  bool stopping_ = false;
  bool poked_ = false;
  uint64_t pause_ = 0;  // counts pauses, so that an old timer ends none but its own
  env::Scheduler::TimerId timer_ = 0;
  std::coroutine_handle<> waiter_;
};

}  // namespace kvfs::fs
