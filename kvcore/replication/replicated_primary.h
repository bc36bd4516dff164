// ReplicatedPrimary: carries transactions out for partitions that have several homes. It
// reigns over a partition under an epoch that a majority of the homes has promised, settles
// what its predecessors left of a pk before it shows or changes anything of it, and has
// every transaction applied by a majority before it answers. The rules, and the
// schedules they stand for, are in doc/replication.md.
//
// Owned by the node, which is one of the homes; what it is built from is borrowed.
// Thread-safe. Locks: one per pk, held until a majority has answered.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/env/async_mutex.h"
#include "kvcore/env/clock.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/lagging.h"
#include "kvcore/replication/majority_watch.h"
#include "kvcore/replication/number_source.h"
#include "kvcore/replication/outcome.h"
#include "kvcore/replication/placement.h"
#include "kvcore/replication/pusher.h"
#include "kvcore/replication/transaction.h"
#include "kvcore/versioning/hybrid_clock.h"

namespace kvfs::replication {

struct ReplicatedPrimaryOptions {
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  uint64_t storage_epoch = 0;  // of the dots minted here
  PusherOptions pusher;
  uint64_t max_branch_bytes = 32u << 20;  // of a pk's branch that is merged, as at homes
  int64_t page_timeout_micros = 1'000'000;
  size_t max_hints = 100'000;              // keys that a home has missed something of; of each home
  int64_t hints_every_micros = 1'000'000;  // between two looks at whether it answers again
  int max_waiting = 64;                    // for one pk; more are told kBusy
  size_t max_keys = 65'536;                // remembered as settled, of each partition
};

class ReplicatedPrimary {
 public:
  struct Parts {
    const Placement* placement = nullptr;
    Home* home = nullptr;  // of this node
    Peers* peers = nullptr;
    MajorityWatch* watch = nullptr;  // or none: then nothing is known beforehand
    LocalStore* store = nullptr;
    NumberSource* dots = nullptr;
    versioning::HybridClock* hybrid_clock = nullptr;
    env::Clock* clock = nullptr;
    env::Scheduler* scheduler = nullptr;
    // Told of every transaction that a majority has applied: the clustering keys that it wrote, and
    // the session that asked for it (0: the store itself). May be empty. Called with the pk's lock
    // held, so it must not wait.
    std::function<void(const Bytes& pk, const std::vector<Bytes>& cks, uint64_t session)> changed{};
  };
  ReplicatedPrimary(const ReplicatedPrimaryOptions& options, const Parts& parts);
  ReplicatedPrimary(const ReplicatedPrimary&) = delete;
  ReplicatedPrimary& operator=(const ReplicatedPrimary&) = delete;
  ~ReplicatedPrimary();

  // REQUIRES: both from Parse.
  Task<pb::SubmitReply> Submit(pb::SubmitRequest request);
  Task<pb::ReadReply> Read(pb::ReadRequest request);

  // Merges the branch that `from` holds of a pk into its trunk (merging.cc).
  Task<pb::MergeReply> Merge(Bytes pk, env::NodeId from);

  // Brings homes that lag behind with the pk up to date, if this node reigns over it, or is the
  // one that should.
  Task<void> Repair(Bytes pk);

  // From now on homes that missed something are brought up to date when they answer again.
  void Start() { tasks_.Start(RepairLagging()); }
  // Of how many keys which homes have missed something.
  std::map<env::NodeId, size_t> Hints() const { return lagging_.Counts(); }

  // Everything that waits is answered kUnavailable or left unknown; returns when nothing runs.
  Task<void> Close();

 private:
  struct Key;
  struct Partition;

  // The lock of a pk whose state is settled under `epoch`.
  struct Hold {
    std::shared_ptr<Key> key;
    env::AsyncMutex::Guard guard;
    Reign reign;
  };

  Task<void> RepairLagging();
  bool KnowsOfNoMajority(uint32_t partition);
  uint32_t PartitionAt(ByteView pk) const;
  Task<Result<PkState>> MergeHeld(const Hold& hold, Bytes pk, const Branch& branch);
  Task<Result<Hold>> LockSettled(Bytes pk);
  Task<Result<Epoch>> EnsureReign(uint32_t partition);
  bool Reigns(const Reign& reign);
  bool HasReign(uint32_t partition);
  // Somebody has promised a higher epoch than the reign's.
  void EndReign(const Reign& reign, const Epoch& promised);
  std::shared_ptr<Key> KeyOf(uint32_t partition, const Bytes& pk);
  Task<Status> Settle(const Hold& hold, Bytes pk);
  // That a majority still obeys the epoch: what was read meanwhile was the latest.
  Task<Status> Confirm(const Hold& hold);
  // OK: a majority has applied it. kOutcomeUnknown: it may have, or may yet. Any other error:
  // nobody has, nor will.
  Task<Status> Replicate(const Hold& hold, pb::ApplyRequest request);
  // That a majority has on disk what the pk is here.
  Task<Status> SyncAtMajority(const Hold& hold, Bytes pk);
  // Checks the transaction, has it applied, and says what became of it.
  Task<Result<Outcome>> Decide(const Hold& hold, pb::SubmitRequest request,
                               versioning::HybridTime* time);
  Result<Outcome> Recorded(const pb::SubmitRequest& request);  // kNotFound

  const ReplicatedPrimaryOptions options_;
  const Parts parts_;
  Lagging lagging_;
  Pusher pusher_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::atomic<bool> closing_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::replication
