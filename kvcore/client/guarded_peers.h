// GuardedPeers: calls to nodes, minding which of them answer at all. While a call waits, its node
// is asked now and then for a sign of life; one that gives none for a while is silent: whoever
// waits for it is told so, and nobody waits again until it answers, which is tried in the
// background. So a call may have much time for its work without waiting long for nobody. Whoever
// picks a home asks those last that are silent or do not answer in time.
//
// Owned by the ClusterClient; borrowed parts. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "kvcore/env/clock.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"

namespace kvfs::client {

struct GuardedPeersOptions {
  int64_t look_micros = 250'000;  // between two looks at a node that is waited for. 10 ms .. 10 s
  int64_t sign_micros = 300'000;  // what it gets to give a sign of life. 10 ms .. 10 s
  // Nothing heard for so long, though it was asked twice: silent. 100 ms .. 1 min
  int64_t silence_micros = 1'000'000;
  // A silent node that nobody wants anything of for so long is not tried any more. 1 s .. 1 h
  int64_t forget_micros = 60'000'000;
  int failures_to_avoid = 2;  // so many in a row, and a node is asked last. 1 .. 100
};

class GuardedPeers final : public replication::Peers, public replication::Placement {
 public:
  GuardedPeers(const GuardedPeersOptions& options, replication::Peers* peers,
               const replication::Placement* placement, env::Clock* clock,
               env::Scheduler* scheduler)
      : options_(options),
        peers_(peers),
        placement_(placement),
        clock_(clock),
        scheduler_(scheduler),
        tasks_(scheduler) {}

  // kUnavailable at once for a node that is silent; kOutcomeUnknown as soon as it becomes so.
  Task<Result<Bytes>> Call(env::NodeId to, replication::Method method, Bytes body,
                           int64_t timeout_micros) override;
  // Those that answer first; among equals in order of preference.
  std::vector<env::NodeId> HomesOf(uint32_t partition) const override;
  replication::Electorate ElectorateOf(uint32_t partition) const override;
  uint64_t Version() const override { return placement_->Version(); }

  // Returns when nothing runs. No call may come afterwards.
  Task<void> Close();

 private:
  struct Peer {
    int waiting = 0;                     // calls
    std::optional<int64_t> quiet_since;  // when it was asked first what it has not answered
    int64_t wanted = 0;                  // when it was called last
    int failures = 0;                    // of calls, in a row
    int no_signs = 0;                    // in a row
    bool silent = false;
    bool watched = false;  // by a task
  };

  int64_t Now() const { return clock_->MonotonicMicros(); }
  // As long as it owes an answer.
  Task<void> Watch(env::NodeId to);
  void PutHealthyFirst(std::vector<env::NodeId>* homes) const;
  // REQUIRES: mutex_ held, for the two below. Whether it is to be watched no longer.
  bool IsOver(Peer* peer, int64_t now);
  static void Heard(Peer* peer, int64_t now);

  const GuardedPeersOptions options_;
  replication::Peers* const peers_;
  const replication::Placement* const placement_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  std::atomic<bool> closing_{false};
  mutable std::mutex mutex_;  // guards the next
  std::map<env::NodeId, Peer> all_;
  env::TaskSet tasks_;
};

}  // namespace kvfs::client
