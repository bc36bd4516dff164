#include "kvcore/engine/sync_group.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace kvfs::engine {

SyncGroup::~SyncGroup() { assert(!leading_ && waiters_.empty()); }

class SyncGroup::Turn {
 public:
  Turn(SyncGroup* group, Waiter* waiter) : group_(group), waiter_(waiter) {}

  bool await_ready() {
    const std::lock_guard lock(group_->mutex_);
    return Decided();
  }
  bool await_suspend(std::coroutine_handle<> handle) {
    const std::lock_guard lock(group_->mutex_);
    if (Decided()) {
      return false;
    }
    waiter_->handle = handle;
    group_->waiters_.push_back(waiter_);
    return true;
  }
  void await_resume() {}

 private:
  bool Decided() {
    if (waiter_->position <= group_->synced_) {
      return true;
    }
    if (!group_->leading_) {
      group_->leading_ = true;
      waiter_->lead = true;
      return true;
    }
    return false;
  }

  SyncGroup* const group_;
  Waiter* const waiter_;
};

Task<Status> SyncGroup::Sync(uint64_t position) {
  Waiter waiter;
  waiter.position = position;
  co_await Turn(this, &waiter);
  if (!waiter.lead) {
    co_return waiter.status;
  }
  co_return Lead();
}

bool SyncGroup::TrySync() {
  {
    const std::lock_guard lock(mutex_);
    if (leading_) {
      return false;
    }
    leading_ = true;
  }
  return Lead().ok();
}

Status SyncGroup::Lead() {
  const Result<uint64_t> covered = work_();
  std::vector<std::coroutine_handle<>> wake;
  {
    const std::lock_guard lock(mutex_);
    leading_ = false;
    if (covered.ok()) {
      synced_ = std::max(synced_, *covered);
    }
    std::deque<Waiter*> rest;
    for (Waiter* waiter : waiters_) {
      if (!covered.ok()) {
        waiter->status = covered.error();
        wake.push_back(waiter->handle);
      } else if (waiter->position <= synced_) {
        wake.push_back(waiter->handle);
      } else if (!leading_) {
        // First, so that the next round begins while the others are still being woken.
        leading_ = true;
        waiter->lead = true;
        wake.insert(wake.begin(), waiter->handle);
      } else {
        rest.push_back(waiter);
      }
    }
    waiters_ = std::move(rest);
  }
  for (const std::coroutine_handle<> handle : wake) {
    scheduler_->Post(env::Priority::kForeground, [handle] { handle.resume(); });
  }
  return covered.status();
}

void SyncGroup::Advance(uint64_t position) {
  const std::lock_guard lock(mutex_);
  synced_ = std::max(synced_, position);
}

uint64_t SyncGroup::SyncedPosition() const {
  const std::lock_guard lock(mutex_);
  return synced_;
}

}  // namespace kvfs::engine
