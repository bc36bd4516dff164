// TaskGroup: background work that ends with its owner. Tasks posted through it do
// not start after Close, and Close waits for those that run. Thread-safe.
//
// Close must not be called from one of the group's tasks. On a scheduler of one thread nothing
// can be running then, so it does not wait.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "kvcore/env/scheduler.h"

namespace kvfs::engine {

class TaskGroup {
 public:
  explicit TaskGroup(env::Scheduler* scheduler);
  ~TaskGroup();

  void Post(env::Priority priority, std::function<void()> work);
  void PostAfter(int64_t delay_micros, env::Priority priority, std::function<void()> work);
  // True once Close has begun: long tasks look at it and stop.
  bool Closing() const;
  void Close();

 private:
  struct Shared {
    std::mutex mutex;
    std::condition_variable idle;
    bool closed = false;
    int running = 0;
  };
  static std::function<void()> Wrap(std::shared_ptr<Shared> shared, std::function<void()> work);

  env::Scheduler* const scheduler_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace kvfs::engine
