// BlockingWait: from the world of threads into that of tasks. Blocks the calling
// thread until the task is done and returns its value. For tools and tests; never
// on a scheduler's thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "kvcore/base/task.h"

namespace kvfs::env::posix {
namespace internal {

class Event {
 public:
  void Set() {
    set_.store(1, std::memory_order_release);
    set_.notify_all();
  }
  void Wait() { set_.wait(0, std::memory_order_acquire); }

 private:
  std::atomic<int> set_{0};
};

// The event is shared, because Set() may still be running when the waiter has gone on. The
// waited-for frame is gone when the event is set.
template <typename T>
Task<void> TakeThenSet(Task<T> task, std::optional<T>* value, std::shared_ptr<Event> event) {
  {
    Task<T> inner = std::move(task);
    value->emplace(co_await inner);
  }
  event->Set();
}
inline Task<void> AwaitThenSet(Task<void> task, std::shared_ptr<Event> event) {
  {
    Task<void> inner = std::move(task);
    co_await inner;
  }
  event->Set();
}

}  // namespace internal

template <typename T>
T BlockingWait(Task<T> task) {
  if (task.IsDone()) {
    return task.TakeValue();
  }
  auto event = std::make_shared<internal::Event>();
  if constexpr (std::is_void_v<T>) {
    internal::AwaitThenSet(std::move(task), event).Detach();
    event->Wait();
  } else {
    std::optional<T> value;
    internal::TakeThenSet(std::move(task), &value, event).Detach();
    event->Wait();
    return std::move(*value);
  }
}

}  // namespace kvfs::env::posix
