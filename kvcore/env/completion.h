// Completion<T>: a value that somebody will bring. One coroutine awaits it; whoever has the
// value sets it, once, from any thread, before or after that. The waiter goes on as a
// foreground task of the scheduler, never inside Set(). Shared by both sides; a copy is
// another handle of the same.
#pragma once

#include <cassert>
#include <coroutine>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "kvcore/env/scheduler.h"

namespace kvfs::env {

template <typename T>
class Completion {
  struct Shared {
    explicit Shared(Scheduler* its_scheduler) : scheduler(its_scheduler) {}
    Scheduler* const scheduler;
    std::mutex mutex;  // guards the rest
    bool set = false;
    std::optional<T> value;
    std::coroutine_handle<> waiter;
  };

 public:
  explicit Completion(Scheduler* scheduler) : shared_(std::make_shared<Shared>(scheduler)) {}

  // False: it had a value already, and keeps that.
  bool Set(T value) const {
    std::coroutine_handle<> waiter;
    const bool was_first = Bring(std::move(value), &waiter);
    if (waiter) {
      shared_->scheduler->Post(Priority::kForeground, [waiter] { waiter.resume(); });
    }
    return was_first;
  }
  // The same, by a task that ends or waits now without blocking: the waiter may go on on its
  // thread (Scheduler::PostNext).
  bool SetNext(T value) const {
    std::coroutine_handle<> waiter;
    const bool was_first = Bring(std::move(value), &waiter);
    if (waiter) {
      shared_->scheduler->PostNext([waiter] { waiter.resume(); });
    }
    return was_first;
  }

  // `T value = co_await completion.Get();`, once.
  class Awaiter {
   public:
    explicit Awaiter(const Completion& completion) : shared_(completion.shared_) {}
    bool await_ready() const {
      std::lock_guard lock(shared_->mutex);
      return shared_->set;
    }
    bool await_suspend(std::coroutine_handle<> waiter) {
      std::lock_guard lock(shared_->mutex);
      assert(!shared_->waiter);
      if (shared_->set) {
        return false;
      }
      shared_->waiter = waiter;
      return true;
    }
    T await_resume() {
      std::lock_guard lock(shared_->mutex);
      return std::move(*shared_->value);
    }

   private:
    std::shared_ptr<Shared> shared_;
  };
  Awaiter Get() const { return Awaiter(*this); }

  // Handles of the same completion.
  bool operator==(const Completion& other) const { return shared_ == other.shared_; }

 private:
  bool Bring(T value, std::coroutine_handle<>* waiter) const {
    std::lock_guard lock(shared_->mutex);
    if (shared_->set) {
      return false;
    }
    shared_->set = true;
    shared_->value = std::move(value);
    *waiter = std::exchange(shared_->waiter, nullptr);
    return true;
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace kvfs::env
