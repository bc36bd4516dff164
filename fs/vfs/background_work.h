// BackgroundWork: what an object runs on the scheduler on its own account: tasks that
// must not outlive it. Owned by that object, which awaits Drain() before it goes.
// Thread-safe.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/base/task.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::fs {

class BackgroundWork {
 public:
  using Work = std::function<Task<void>()>;

  explicit BackgroundWork(env::Scheduler* scheduler);
  // REQUIRES: nothing runs. What is posted and has not started is forgotten.
  ~BackgroundWork();

  void Post(env::Priority priority, Work work) { PostAfter(0, priority, std::move(work)); }
  void PostAfter(int64_t delay_micros, env::Priority priority, Work work);

  // Forgets what is posted and waits for what runs. Work posted from then on runs again.
  Task<void> Drain();

 private:
  struct Shared {
    explicit Shared(env::Scheduler* env_scheduler) : scheduler(env_scheduler) {}

    env::Scheduler* const scheduler;
    std::mutex mutex;                 // guards the rest
    std::map<uint64_t, Work> posted;  // here, not in the scheduler, so that it can be forgotten
    uint64_t next_number = 0;
    uint64_t running = 0;
    std::vector<std::coroutine_handle<>> waiting;
  };
  struct Idle {
    Shared* shared;
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const {}
  };

  static Task<void> Run(std::shared_ptr<Shared> shared, Work work);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace kvfs::fs
