#include "fs/vfs/background_work.h"

#include <cassert>
#include <utility>

namespace kvfs::fs {

BackgroundWork::BackgroundWork(env::Scheduler* scheduler)
    : shared_(std::make_shared<Shared>(scheduler)) {}

BackgroundWork::~BackgroundWork() {
  std::map<uint64_t, Work> forgotten;  // destroyed without the lock
  std::lock_guard lock(shared_->mutex);
  forgotten.swap(shared_->posted);
  assert(shared_->running == 0);
}

void BackgroundWork::PostAfter(int64_t delay_micros, env::Priority priority, Work work) {
  uint64_t number;
  {
    std::lock_guard lock(shared_->mutex);
    number = shared_->next_number++;
    shared_->posted.emplace(number, std::move(work));
  }
  auto start = [shared = shared_, number] {
    Work taken;
    {
      std::lock_guard lock(shared->mutex);
      auto it = shared->posted.find(number);
      if (it == shared->posted.end()) {
        return;
      }
      taken = std::move(it->second);
      shared->posted.erase(it);
      ++shared->running;
    }
    Run(shared, std::move(taken)).Detach();
  };
  if (delay_micros == 0) {
    shared_->scheduler->Post(priority, std::move(start));
  } else {
    shared_->scheduler->PostAfter(delay_micros, priority, std::move(start));
  }
}

Task<void> BackgroundWork::Run(std::shared_ptr<Shared> shared, Work work) {
  co_await work();
  work = nullptr;  // what it holds goes before the owner may
  std::vector<std::coroutine_handle<>> waiting;
  {
    std::lock_guard lock(shared->mutex);
    if (--shared->running == 0) {
      waiting = std::exchange(shared->waiting, {});
    }
  }
  for (std::coroutine_handle<> waiter : waiting) {
    shared->scheduler->Post(env::Priority::kForeground, [waiter] { waiter.resume(); });
  }
}

bool BackgroundWork::Idle::await_suspend(std::coroutine_handle<> waiter) {
  std::lock_guard lock(shared->mutex);
  if (shared->running == 0) {
    return false;
  }
  shared->waiting.push_back(waiter);
  return true;
}

Task<void> BackgroundWork::Drain() {
  {
    std::map<uint64_t, Work> forgotten;  // destroyed without the lock
    std::lock_guard lock(shared_->mutex);
    forgotten.swap(shared_->posted);
  }
  co_await Idle{shared_.get()};
}

}  // namespace kvfs::fs
