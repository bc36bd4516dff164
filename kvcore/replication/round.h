// Round: one question to all homes of a partition and the wait for a majority's answer. What is
// counted by layouts that are no longer those in force counts for nothing: such a round is given
// up. Shared by whoever waits and those that bring the answers. Borrows the placement. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "kvcore/env/completion.h"
#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/quorum.h"

namespace kvfs::replication {

class Round {
 public:
  using Verdict = Quorum::Verdict;

  Round(Electorate electorate, const Placement* placement, env::Scheduler* scheduler)
      : placement_(placement), quorum_(std::move(electorate)), decided_(scheduler) {}

  // `reply.granted()` is a yes.
  void Answer(env::NodeId home, const pb::HomeReply& reply) {
    std::lock_guard lock(mutex_);
    if (reply.granted()) {
      quorum_.Grant(home);
      granted_.emplace(home, FromProto(reply.state()));
    } else {
      quorum_.Deny(FromProto(reply.promised()));
    }
    Decide();
  }
  void Fail(env::NodeId home) {
    std::lock_guard lock(mutex_);
    quorum_.Fail(home);
    Decide();
  }
  // Nobody will wait any longer.
  void GiveUp() {
    std::lock_guard lock(mutex_);
    gave_up_ = true;
    Decide();
  }

  // Whether nobody waits any longer; also when the layouts have changed.
  bool IsDecided() {
    std::lock_guard lock(mutex_);
    Decide();
    return is_decided_;
  }
  // kOpen: given up. One waiter.
  auto Wait() { return decided_.Get(); }
  Epoch HighestPromised() const {
    std::lock_guard lock(mutex_);
    return quorum_.highest_promised();
  }
  // Of those who said yes, the states of the pk they told.
  std::map<env::NodeId, PkState> Granted() const {
    std::lock_guard lock(mutex_);
    return granted_;
  }

 private:
  void Decide() {
    if (is_decided_) {
      return;
    }
    gave_up_ = gave_up_ || placement_->Version() != quorum_.electorate().version;
    if (gave_up_ || quorum_.verdict() != Verdict::kOpen) {
      is_decided_ = true;
      decided_.SetNext(gave_up_ ? Verdict::kOpen : quorum_.verdict());
    }
  }

  const Placement* const placement_;
  mutable std::mutex mutex_;  // guards the rest
  Quorum quorum_;
  std::map<env::NodeId, PkState> granted_;
  bool gave_up_ = false;
  bool is_decided_ = false;
  const env::Completion<Verdict> decided_;
};

}  // namespace kvfs::replication
