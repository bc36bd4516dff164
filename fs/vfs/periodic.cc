#include "fs/vfs/periodic.h"

#include <cassert>
#include <utility>

namespace kvfs::fs {

Periodic::Periodic(env::Scheduler* scheduler, int64_t interval_micros, Job job)
    : scheduler_(scheduler),
      interval_micros_(interval_micros),
      job_(std::move(job)),
      running_(scheduler) {}

Periodic::~Periodic() { assert(!started_ || stopping_); }

void Periodic::Start() {
  started_ = true;
  Loop().Detach();
}

Task<void> Periodic::Loop() {
  auto guard = co_await running_.Lock();
  while (true) {
    const bool go_on = co_await Pause{this};
    if (!go_on) {
      co_return;
    }
    co_await job_();
  }
}

bool Periodic::IsStopping() {
  std::lock_guard lock(mutex_);
  return stopping_;
}

bool Periodic::BeginPause(std::coroutine_handle<> waiter) {
  std::lock_guard lock(mutex_);
  if (stopping_ || std::exchange(poked_, false)) {
    return false;
  }
  waiter_ = waiter;
  const uint64_t pause = ++pause_;
  timer_ = scheduler_->PostAfter(interval_micros_, env::Priority::kBackground,
                                 [this, pause] { EndPause(pause); });
  return true;
}

void Periodic::EndPause(uint64_t pause) {
  std::coroutine_handle<> waiter;
  {
    std::lock_guard lock(mutex_);
    if (pause == pause_) {
      waiter = std::exchange(waiter_, nullptr);
    }
  }
  if (waiter) {
    waiter.resume();
  }
}

void Periodic::Poke() {
  std::lock_guard lock(mutex_);
  if (!started_ || stopping_) {
    return;
  }
  if (!waiter_) {
    poked_ = true;  // the job is running; it runs once more
    return;
  }
  // A timer that cannot be cancelled any more, or was before, ends the pause by itself.
  if (scheduler_->Cancel(timer_)) {
    const uint64_t pause = pause_;
    scheduler_->Post(env::Priority::kBackground, [this, pause] { EndPause(pause); });
  }
}

Task<void> Periodic::Stop() {
  std::coroutine_handle<> waiter;
  {
    std::lock_guard lock(mutex_);
    if (!started_ || stopping_) {
      co_return;
    }
    stopping_ = true;
    if (waiter_ && scheduler_->Cancel(timer_)) {
      waiter = std::exchange(waiter_, nullptr);
    }
  }
  if (waiter) {
    waiter.resume();
  }
  auto guard = co_await running_.Lock();
}

}  // namespace kvfs::fs
