// LayoutKeeper: a node's part in the layouts of its cluster. It takes part in deciding which comes
// next (ring/layout_agreement.h), learns of those that others have decided, and makes each durable
// before it counts: from then on requests by older ones are refused here (node/rpc.h).
//
// Owned by the node; what it is built from is borrowed. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "kvcore/client/ring_placement.h"
#include "kvcore/client/told_layouts.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/env/clock.h"
#include "kvcore/env/task_set.h"
#include "kvcore/node/layout_note.h"
#include "kvcore/node/rpc.h"

namespace kvfs::node {

class LayoutKeeper {
 public:
  struct Parts {
    replication::LocalStore* store = nullptr;
    Rpc* rpc = nullptr;
    client::RingPlacement* placement = nullptr;  // of `kept`
    env::Clock* clock = nullptr;
    env::Scheduler* scheduler = nullptr;
    // Told of the layouts in force when these have changed; must not wait. May be empty.
    std::function<void(const ring::LayoutStage&)> changed{};
  };
  LayoutKeeper(const ring::LayoutAgreement::Options& options, env::NodeId self,
               const KeptLayouts& kept, Parts parts);

  void Start() { tasks_.Start(Tick()); }
  // Has `next` decided, the layout behind the newest. kConflict: another one was; kBusy: the last
  // change is not complete; kUnavailable: no majority of the members answers, and it may be decided
  // later; kInvalidArgument.
  Task<Status> Propose(std::shared_ptr<const ring::Layout> next);
  // A message of the agreement.
  void Take(env::NodeId from, Bytes body);
  // `from` goes by newer layouts.
  void Seen(env::NodeId from);
  // Goes over to what another node goes by, if that is newer.
  Task<Status> LearnFrom(env::NodeId node);
  // The transition to this layout is over: what was decided by the one before is with a majority of
  // the new homes, on their disks.
  Task<Status> Complete(ring::LayoutId layout);
  // While a node may have lost its disk and knows only what it was started with, it learns of no
  // layout from others, until it has met one that goes by the same: it may have had part in newer
  // ones, and would not know.
  void SetMayLearn(bool may_learn) { may_learn_ = may_learn; }

  // Returns when nothing runs.
  Task<void> Close();

 private:
  using Output = ring::LayoutAgreement::Output;

  Task<void> Tick();
  Task<void> TakeNow(env::NodeId from, Bytes body);
  Task<void> Follow(env::NodeId from);
  // REQUIRES: mutex_ held.
  Task<Status> CarryOut(Output out);
  void GoOver(ring::RingView view);

  const env::NodeId self_;
  const Parts parts_;
  const int64_t tick_micros_;
  std::atomic<bool> closing_{false};
  std::atomic<bool> following_{false};
  std::atomic<bool> may_learn_{true};
  env::AsyncMutex mutex_;  // held until an output is carried out; guards the rest but tasks_
  ring::LayoutAgreement agreement_;
  std::optional<env::Completion<Status>> proposal_;
  env::TaskSet tasks_;
};

}  // namespace kvfs::node
