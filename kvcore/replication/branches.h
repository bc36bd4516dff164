// Branches: what a home does with requests while no majority of a partition's homes answers, and
// afterwards. It takes transactions into the pk's branch, gives them to the homes it reaches
// before it acknowledges them, and has the branch merged into the trunk as soon as a majority
// answers again. The rules are in doc/replication.md, "Without a majority".
//
// Owned by the node; what it is built from is borrowed. Thread-safe, no locks held over a wait.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "kvcore/env/clock.h"
#include "kvcore/env/random.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/majority_watch.h"
#include "kvcore/replication/placement.h"
#include "kvcore/versioning/hybrid_clock.h"

namespace kvfs::replication {

struct BranchesOptions {
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  int64_t push_micros = 300'000;       // what another home gets to take one transaction
  int64_t install_micros = 2'000'000;  // and the whole branch, where it has missed some
  int64_t merge_micros = 5'000'000;    // what a primary gets to merge one
  int64_t merge_every_micros = 1'000'000;
  size_t merges_at_once = 4;
};

class Branches {
 public:
  struct Parts {
    const Placement* placement = nullptr;
    Home* home = nullptr;  // of this node
    MajorityWatch* watch = nullptr;
    env::Random* random = nullptr;
    versioning::HybridClock* hybrid_clock = nullptr;
    env::Clock* clock = nullptr;
    env::Scheduler* scheduler = nullptr;
    // As of the primary: what was taken in here. May be empty.
    std::function<void(const Bytes& pk, const std::vector<Bytes>& cks, uint64_t session)> changed{};
  };
  Branches(const BranchesOptions& options, const Parts& parts);

  // From now on branches are merged as soon as that is possible.
  void Start() { tasks_.Start(MergeAll()); }
  // Returns when nothing runs.
  Task<void> Close();

  // Degraded requests. REQUIRES: from Parse.
  Task<pb::SubmitReply> Submit(pb::SubmitRequest request);
  Task<pb::ReadReply> Read(pb::ReadRequest request);
  // OK: this home holds no branch of the pk any more. kUnavailable: not now.
  Task<Status> MergeNow(Bytes pk);

 private:
  struct Pushes;
  uint32_t PartitionAt(ByteView pk) const;
  std::vector<env::NodeId> OthersOf(uint32_t partition) const;
  Task<Result<Home::TakenIn>> TakeIn(pb::SubmitRequest request);
  // Gives it to all others; done when each has taken it, failed, or let its time pass.
  Task<void> PushToAll(pb::BranchPushRequest push);
  Task<void> PushTo(env::NodeId home, std::shared_ptr<const pb::BranchPushRequest> push,
                    std::shared_ptr<Pushes> pushes);
  // The node and state in which the trunk has everything of the branch.
  Task<Result<std::pair<env::NodeId, PkState>>> MergeAtPrimary(Bytes pk);
  Task<void> MergeAll();

  const BranchesOptions options_;
  const Parts parts_;
  std::atomic<bool> closing_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::replication
