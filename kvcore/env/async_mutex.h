// AsyncMutex: mutual exclusion across waits, for coroutines. First come, first
// served. An uncontended Lock() does not suspend; a contended one suspends the
// coroutine, never the thread, and it goes on as a foreground task of the
// scheduler (not inside Unlock, so a long queue needs no deep stack).
// Thread-safe. Owned by what it guards; must be free when destroyed.
#pragma once

#include <coroutine>
#include <deque>
#include <mutex>
#include <utility>

#include "kvcore/env/scheduler.h"

namespace kvfs::env {

class AsyncMutex {
 public:
  // Unlocks when destroyed.
  class [[nodiscard]] Guard {
   public:
    Guard() = default;
    explicit Guard(AsyncMutex* mutex) : mutex_(mutex) {}
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
      Release();
      mutex_ = std::exchange(other.mutex_, nullptr);
      return *this;
    }
    ~Guard() { Release(); }
    void Release() {
      if (mutex_ != nullptr) {
        std::exchange(mutex_, nullptr)->Unlock();
      }
    }

   private:
    AsyncMutex* mutex_ = nullptr;
  };

  class [[nodiscard]] LockAwaiter {
   public:
    explicit LockAwaiter(AsyncMutex* mutex) : mutex_(mutex) {}
    bool await_ready() { return mutex_->TryAcquire(); }
    bool await_suspend(std::coroutine_handle<> waiter) { return mutex_->Enqueue(waiter); }
    Guard await_resume() { return Guard(mutex_); }

   private:
    AsyncMutex* mutex_;
  };

  explicit AsyncMutex(Scheduler* scheduler) : scheduler_(scheduler) {}
  AsyncMutex(const AsyncMutex&) = delete;
  AsyncMutex& operator=(const AsyncMutex&) = delete;
  ~AsyncMutex();

  // `auto guard = co_await mutex.Lock();`
  LockAwaiter Lock() { return LockAwaiter(this); }

 private:
  bool TryAcquire();
  bool Enqueue(std::coroutine_handle<> waiter);  // false: acquired meanwhile
  void Unlock();

  Scheduler* const scheduler_;
  std::mutex mutex_;  // guards the two below; never held across a call out
  bool locked_ = false;
  std::deque<std::coroutine_handle<>> waiters_;
};

}  // namespace kvfs::env
