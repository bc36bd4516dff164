// MajorityWatch: calls to peers, minding which of them answer, and whether this node reaches a
// majority of a partition's homes. One that has been silent for long is not waited for; whether
// it answers again is tried in the background.
//
// Owned by the node; what it is built from is borrowed. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>

#include "kvcore/env/clock.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"
#include "kvcore/replication/reach.h"

namespace kvfs::replication {

struct MajorityWatchOptions {
  env::NodeId self = 0;
  ReachOptions reach;
  int64_t ask_micros = 300'000;  // what the homes get to answer
};

class MajorityWatch final : public Peers {
 public:
  MajorityWatch(const MajorityWatchOptions& options, const Placement* placement, Peers* peers,
                env::Clock* clock, env::Scheduler* scheduler);

  // kUnavailable at once for a node that is silent.
  Task<Result<Bytes>> Call(env::NodeId to, Method method, Bytes body,
                           int64_t timeout_micros) override;

  // Whether it is known by now that no majority has answered for long. Asks them again meanwhile.
  bool KnowsOfNone(uint32_t partition);
  // Finds out; that may take as long as it takes to be sure.
  Task<bool> IsWithout(uint32_t partition);

  // Returns when nothing runs.
  Task<void> Close();

 private:
  struct Asking;

  int64_t Now() { return clock_->MonotonicMicros(); }
  Task<Result<Bytes>> CallAndNote(env::NodeId to, Method method, Bytes body,
                                  int64_t timeout_micros);
  // True: a majority answers.
  Task<bool> AskHomes(uint32_t partition);
  // Whether it answers again.
  Task<void> Try(env::NodeId to);
  Task<void> AskOne(env::NodeId home, uint32_t partition, std::shared_ptr<Asking> asking);
  Task<void> AskInBackground(uint32_t partition);

  const MajorityWatchOptions options_;
  const Placement* const placement_;
  Peers* const peers_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  std::atomic<bool> closing_{false};
  std::mutex mutex_;  // guards the two below
  Reach reach_;
  std::set<uint32_t> asking_;  // partitions, in the background
  env::TaskSet tasks_;
};

}  // namespace kvfs::replication
