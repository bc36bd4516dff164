#include "kvcore/env/async_mutex.h"

#include <cassert>

namespace kvfs::env {

AsyncMutex::~AsyncMutex() { assert(!locked_); }

bool AsyncMutex::TryAcquire() {
  std::lock_guard lock(mutex_);
  return !std::exchange(locked_, true);
}

bool AsyncMutex::Enqueue(std::coroutine_handle<> waiter) {
  std::lock_guard lock(mutex_);
  if (!std::exchange(locked_, true)) {
    return false;
  }
  waiters_.push_back(waiter);
  return true;
}

void AsyncMutex::Unlock() {
  std::coroutine_handle<> next;
  {
    std::lock_guard lock(mutex_);
    assert(locked_);
    if (waiters_.empty()) {
      locked_ = false;
      return;
    }
    next = waiters_.front();  // the lock passes to it without becoming free
    waiters_.pop_front();
  }
  scheduler_->Post(Priority::kForeground, [next] { next.resume(); });
}

}  // namespace kvfs::env
