// WaitList: coroutines that wait for a condition over state under a mutex. Whoever
// changes the state wakes them all, and each looks again. Thread-safe with that mutex.
//
//   while (!condition) co_await list.Wait(&mutex, condition);
//
// They go on as foreground tasks of the scheduler, never inside WakeAll. Must be empty when
// destroyed: whoever waits uses the owner.
#pragma once

#include <cassert>
#include <coroutine>
#include <mutex>
#include <utility>
#include <vector>

#include "kvcore/env/scheduler.h"

namespace kvfs::engine {

class WaitList {
 public:
  explicit WaitList(env::Scheduler* scheduler) : scheduler_(scheduler) {}
  ~WaitList() { assert(waiting_.empty()); }

  // Until `ready()`, called with the mutex held, is true; or until the first wake-up.
  template <typename Ready>
  auto Wait(std::mutex* mutex, Ready ready) {
    struct Awaiter {
      WaitList* list;
      std::mutex* mutex;
      Ready ready;
      bool await_ready() {
        const std::lock_guard lock(*mutex);
        return ready();
      }
      bool await_suspend(std::coroutine_handle<> waiter) {
        const std::lock_guard lock(*mutex);
        if (ready()) {
          return false;
        }
        list->waiting_.push_back(waiter);
        return true;
      }
      void await_resume() {}
    };
    return Awaiter{this, mutex, std::move(ready)};
  }

  // REQUIRES: the mutex is held.
  void WakeAll() {
    for (const std::coroutine_handle<> waiter : std::exchange(waiting_, {})) {
      scheduler_->Post(env::Priority::kForeground, [waiter] { waiter.resume(); });
    }
  }

 private:
  env::Scheduler* const scheduler_;
  std::vector<std::coroutine_handle<>> waiting_;
};

// `co_await Delay(scheduler, micros)`: goes on as a foreground task after that time.
inline auto Delay(env::Scheduler* scheduler, int64_t micros) {
  struct Awaiter {
    env::Scheduler* scheduler;
    int64_t micros;
    bool await_ready() const { return micros <= 0; }
    void await_suspend(std::coroutine_handle<> waiter) {
      scheduler->PostAfter(micros, env::Priority::kForeground, [waiter] { waiter.resume(); });
    }
    void await_resume() {}
  };
  return Awaiter{scheduler, micros};
}

// `co_await Yield(scheduler)`: goes on as a background task, so that long work shares a thread.
inline auto Yield(env::Scheduler* scheduler) {
  struct Awaiter {
    env::Scheduler* scheduler;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      scheduler->Post(env::Priority::kBackground, [waiter] { waiter.resume(); });
    }
    void await_resume() {}
  };
  return Awaiter{scheduler};
}

}  // namespace kvfs::engine
