#include "kvcore/engine/task_group.h"

#include <utility>

namespace kvfs::engine {

TaskGroup::TaskGroup(env::Scheduler* scheduler) : scheduler_(scheduler) {}

TaskGroup::~TaskGroup() { Close(); }

std::function<void()> TaskGroup::Wrap(std::shared_ptr<Shared> shared, std::function<void()> work) {
  return [shared = std::move(shared), work = std::move(work)] {
    {
      const std::lock_guard lock(shared->mutex);
      if (shared->closed) {
        return;
      }
      ++shared->running;
    }
    work();
    const std::lock_guard lock(shared->mutex);
    if (--shared->running == 0) {
      shared->idle.notify_all();
    }
  };
}

void TaskGroup::Post(env::Priority priority, std::function<void()> work) {
  scheduler_->Post(priority, Wrap(shared_, std::move(work)));
}

void TaskGroup::PostAfter(int64_t delay_micros, env::Priority priority,
                          std::function<void()> work) {
  scheduler_->PostAfter(delay_micros, priority, Wrap(shared_, std::move(work)));
}

bool TaskGroup::Closing() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->closed;
}

void TaskGroup::Close() {
  std::unique_lock lock(shared_->mutex);
  shared_->closed = true;
  shared_->idle.wait(lock, [this] { return shared_->running == 0; });
}

}  // namespace kvfs::engine
