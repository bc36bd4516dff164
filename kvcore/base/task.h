// Task<T>: the coroutine type of everything awaitable in kvfs.
//
// A task starts at once, on the caller's thread, and runs until it first has to
// wait. One that never waits is finished when the call returns, and awaiting it
// neither suspends nor touches the stack, so a loop of any length over such
// tasks runs in constant stack (g++ 12 does not make symmetric transfer a tail
// call without optimisation or under the sanitizers). When a task that did wait
// finishes, the awaiting coroutine goes on on the thread that finished it.
//
// Ownership: the Task owns the coroutine frame; it must be awaited, or handed to
// Detach(), exactly once. Destroying a Task that still runs is a bug (asserted).
// Parameters: a coroutine keeps references as references: pass by value whatever
// must survive a wait.
#pragma once

#include <atomic>
#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace kvfs {

template <typename T>
class [[nodiscard]] Task;

namespace internal {

// Life of a frame: running -> done, or running -> awaited/detached -> done.
// `state` holds one of the three marks below or the awaiting coroutine's address;
// the exchange between finisher and awaiter decides who goes on.
class TaskPromiseBase {
 public:
  std::suspend_never initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      void* before = self.promise().state_.exchange(Done(), std::memory_order_acq_rel);
      // From here on the frame may be gone, unless it is detached.
      if (before == Detached()) {
        self.destroy();
      } else if (before != nullptr) {
        std::coroutine_handle<>::from_address(before).resume();
      }
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  // kvfs does not let exceptions cross folders; one that gets here is a bug.
  void unhandled_exception() noexcept { std::terminate(); }

  bool IsDone() const { return state_.load(std::memory_order_acquire) == Done(); }

  // True if `waiter` will be resumed; false if the task has finished meanwhile.
  bool SetWaiter(std::coroutine_handle<> waiter) {
    void* expected = nullptr;
    return state_.compare_exchange_strong(expected, waiter.address(), std::memory_order_acq_rel);
  }
  // True if the frame will destroy itself; false if it has finished meanwhile.
  bool SetDetached() {
    void* expected = nullptr;
    return state_.compare_exchange_strong(expected, Detached(), std::memory_order_acq_rel);
  }

 private:
  static void* Done() { return reinterpret_cast<void*>(1); }
  static void* Detached() { return reinterpret_cast<void*>(2); }

  std::atomic<void*> state_{nullptr};
};

template <typename T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T TakeValue() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void TakeValue() {}
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) {
      assert(handle_.promise().IsDone());
      handle_.destroy();
    }
  }

  // True once the value is there; it then may be taken without a coroutine.
  bool IsDone() const { return handle_.promise().IsDone(); }
  // REQUIRES: IsDone(), and not taken or awaited before.
  T TakeValue() { return handle_.promise().TakeValue(); }

  // Lets the task run on by itself; its value is dropped.
  void Detach() && {
    Handle handle = std::exchange(handle_, {});
    if (!handle.promise().SetDetached()) {
      handle.destroy();
    }
  }

  bool await_ready() const { return IsDone(); }
  bool await_suspend(std::coroutine_handle<> waiter) { return handle_.promise().SetWaiter(waiter); }
  T await_resume() { return handle_.promise().TakeValue(); }

 private:
  Handle handle_;
};

namespace internal {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

}  // namespace internal
}  // namespace kvfs
