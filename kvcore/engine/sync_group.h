// SyncGroup: concurrent Sync callers share one round of fdatasyncs. The first becomes
// the leader and does the work for everything written before it began; those that come
// meanwhile wait, and for those it did not cover a task of the scheduler goes on leading
// until nobody waits any more. Thread-safe.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::engine {

class SyncGroup {
 public:
  // Makes everything written so far durable; the position that covers.
  using Work = std::function<Result<uint64_t>()>;

  SyncGroup(env::Scheduler* scheduler, Work work) : scheduler_(scheduler), work_(std::move(work)) {}
  ~SyncGroup();

  Task<Status> Sync(uint64_t position);
  // Does a round if none is under way; true if it did one, and it succeeded.
  bool TrySync();
  // Everything up to `position` is durable by other means (it is in tables).
  void Advance(uint64_t position);
  uint64_t SyncedPosition() const;

 private:
  struct Waiter {
    uint64_t position = 0;
    std::coroutine_handle<> handle;
    bool lead = false;
    Status status;
  };
  class Turn;

  struct Outcome {
    std::vector<std::coroutine_handle<>> wake;  // whom the round concerned
    bool more = false;                          // others wait: the lead is still held
  };

  // These three REQUIRE that the caller leads. Does a round and hands the lead on.
  Status Lead();
  // Does rounds while there is somebody who waits.
  void LeadOthers();
  // After a round.
  Outcome Finish(const Result<uint64_t>& covered);

  env::Scheduler* const scheduler_;
  const Work work_;
  mutable std::mutex mutex_;
  bool leading_ = false;
  uint64_t synced_ = 0;
  std::deque<Waiter*> waiters_;  // in their frames
};

}  // namespace kvfs::engine
