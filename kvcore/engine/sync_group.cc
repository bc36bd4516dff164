#include "kvcore/engine/sync_group.h"

#include <algorithm>
#include <cassert>

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
  // The caller has work of its own to go on with, and others are not to wait for that.
  env::Scheduler* const scheduler = scheduler_;
  const Outcome outcome = Finish(covered);
  if (outcome.more) {  // first, so that the next round begins while the others are being woken
    scheduler->Post(env::Priority::kForeground, [this] { LeadOthers(); });
  }
  for (const std::coroutine_handle<> handle : outcome.wake) {
    scheduler->Post(env::Priority::kForeground, [handle] { handle.resume(); });
  }
  return covered.status();
}

// Round after round while somebody waits: handing the lead from one to the next would leave the
// disk idle between the rounds for as long as waking a thread takes. Those who waited go on right
// here, before the next round: what they do is short (an answer, a signal), another thread
// would come to it later, and those who come back at once are in the next round.
void SyncGroup::LeadOthers() {
  for (bool more = true; more;) {
    const Outcome outcome = Finish(work_());
    more = outcome.more;
    // After the last of them, if nobody else waits, the owner may be gone, and this with it.
    for (const std::coroutine_handle<> handle : outcome.wake) {
      handle.resume();
    }
  }
}

SyncGroup::Outcome SyncGroup::Finish(const Result<uint64_t>& covered) {
  Outcome outcome;
  const std::lock_guard lock(mutex_);
  if (covered.ok()) {
    synced_ = std::max(synced_, *covered);
  }
  std::deque<Waiter*> rest;
  for (Waiter* waiter : waiters_) {
    if (covered.ok() && waiter->position > synced_) {
      rest.push_back(waiter);
      continue;
    }
    waiter->status = covered.status();
    outcome.wake.push_back(waiter->handle);
  }
  waiters_ = std::move(rest);
  outcome.more = !waiters_.empty();
  leading_ = outcome.more;
  return outcome;
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
