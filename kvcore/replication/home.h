// Home: what a node does as one of the homes of a partition: it promises epochs, applies
// transactions without a gap, and hands out or takes over whole partition keys. The rules
// are in doc/replication.md.
//
// Owned by the node; what it is built from is borrowed. Thread-safe. One lock per partition,
// held over reads and one Apply of the store, never over a wait for the disk or a peer.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/branch_view.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/peers.h"

namespace kvfs::replication {

struct HomeOptions {
  uint32_t partition_bits = 8;              // 0..16
  uint64_t max_install_bytes = 256u << 20;  // of one pk, held in memory while it is taken over
  uint64_t page_bytes = 1u << 20;           // of a pk sent at a time
  int64_t page_timeout_micros = 1'000'000;
  // Tells one boot of the machine from another: what an earlier one left unsynced may be lost.
  // Empty: nobody minds the power, and no loss is noticed.
  Bytes boot_id;
  // Of one pk, what it takes in without a majority. 64 KiB .. 48 MiB: it travels whole.
  uint64_t max_branch_bytes = 32u << 20;
  // Latest transactions of pks kept in memory, of each partition and none larger than 1 MiB: they
  // may be in flight when the majority goes silent. 1 .. 4096.
  size_t max_latest = 32;
};

class Home {
 public:
  Home(const HomeOptions& options, LocalStore* store, Peers* peers, env::Scheduler* scheduler);
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  // From a promise on, lower epochs are refused; it is durable before it is given.
  Task<Result<pb::HomeReply>> Promise(uint32_t partition, Epoch epoch);
  // The state of pk, and a promise with it.
  Task<Result<pb::HomeReply>> State(Bytes pk, Epoch epoch);
  Task<Result<pb::HomeReply>> Apply(pb::ApplyRequest request);
  // Makes the pk what it is at `source` in state `from`, and calls that state `to`: in one batch,
  // so the old content counts until the new one does. `sync`: durable before it is answered.
  Task<Result<pb::HomeReply>> Install(Bytes pk, Epoch epoch, env::NodeId source, PkState from,
                                      PkState to, bool sync);
  Task<Result<pb::PageReply>> Page(pb::PageRequest request);
  // What this home holds, committed or not.
  Task<Result<pb::ReadReply>> Read(pb::ReadRequest request);

  Result<PkState> LocalState(ByteView pk);
  // The highest epoch promised or obeyed in the partition.
  Task<Result<Epoch>> Promised(uint32_t partition);

  // ---- after the power failed ----------------------------------------------

  // The partitions in which something may have been lost. Until they are rebuilt from the other
  // homes this one promises nothing there, applies nothing and counts for nobody (kUnavailable),
  // but for the two that follow and Page.
  Result<std::vector<uint32_t>> Suspects();
  Task<Result<pb::ListReply>> List(pb::ListRequest request);
  // For the Rebuilder, of a suspect partition. An epoch of `self` above all that is known here and
  // above number `above`; no other is the same, whatever crashes.
  Task<Result<Epoch>> BeginRebuild(uint32_t partition, env::NodeId self, uint64_t above);
  // Makes the pk what it is at `source` in state `from`, and calls that state `to`.
  Task<Status> TakeOver(Bytes pk, env::NodeId source, PkState from, PkState to);
  // All is here again; epochs lower than `promised` are refused. Durable when it is done.
  Task<Status> EndRebuild(uint32_t partition, Epoch promised);

  // ---- without a majority (home_branch.cc) ---------------------------------

  struct TakenIn {
    Outcome outcome;
    bool is_decided = false;     // by a majority, before it went silent; there is nothing to push
    pb::BranchPushRequest push;  // for the other homes
  };
  // Carries the transaction out in the pk's branch, here alone. A new branch is begun under
  // `actor`, which nobody has used. kUnavailable: the pk is strong, or this home cannot tell what
  // became of the operation; kOutcomeUnknown: refused here, but an earlier attempt may happen;
  // kNoSpace.
  Task<Result<TakenIn>> TakeIn(pb::SubmitRequest request, uint64_t actor,
                               versioning::HybridTime time);
  // What this home holds with its branch. StrongRefusal(): the pk is strong.
  Task<Result<pb::ReadReply>> ReadView(pb::ReadRequest request);
  // Of another home's branch: one transaction; the whole, fetched from `source`; a part of this
  // home's.
  Task<Result<pb::BranchReply>> Join(pb::BranchPushRequest request);
  Task<Result<pb::BranchReply>> JoinWhole(Bytes pk, env::NodeId source, bool sync);
  Task<Result<pb::BranchPageReply>> BranchPage(pb::BranchPageRequest request);
  // Gives the branch up, if this home's own copy of the trunk is at or beyond the decided state
  // `merged_in` and holds all of it. False: not yet. A node that is no home any more (`is_home`
  // false) has no copy that counts, and its branch, which nobody adds to, has been merged.
  Task<Result<bool>> ForgetBranch(Bytes pk, PkState merged_in, bool is_home);
  Result<bool> HoldsBranch(ByteView pk);
  // The pks that have one, behind `after`, at most `limit`.
  Result<std::vector<Bytes>> BranchedPks(ByteView after, size_t limit);

  // Takes away whatever lies here under `pk`, which may be one of the store's own, of a partition
  // that this node keeps no more; `is_foreign`, asked with the partition locked, says whether that
  // is still so. False: it stays, as it is kept after all or has a branch that is to be merged.
  Task<Result<bool>> Discard(uint32_t partition, Bytes prefix, Bytes pk,
                             std::function<bool()> is_foreign);

  // Makes durable what was written some time ago, so that a loss of power does not make suspect
  // what has long been idle: the partitions in which nothing was written since the last call.
  Task<Status> Tidy();

 private:
  // What was applied last to a pk: a majority may never have heard of it.
  struct Latest {
    pb::ApplyRequest request;
    std::map<Bytes, versioning::VersionedValue> erased;  // what it took away
    uint64_t order = 0;
  };
  struct OwnBranch {
    uint64_t actor = 0;  // 0: none yet in this life
    uint64_t bytes = 0;  // no less than what the branch has
  };
  struct Partition {
    explicit Partition(env::Scheduler* scheduler) : mutex(scheduler) {}
    env::AsyncMutex mutex;
    // Guarded by mutex.
    std::optional<Epoch> promised;  // read from the store when first asked for
    Epoch durable;                  // the highest promised that is known to be on the disk
    bool suspect = false;
    bool marked = false;  // as having writes of this boot that may be unsynced
    Position mark_position = 0;
    Position last_write = 0;    // of this life
    Position tidied_write = 0;  // last_write when Tidy came by
    std::map<Bytes, Latest> latest;
    uint64_t latest_order = 0;
    std::map<Bytes, OwnBranch> branches;
    // The mark is not on the disk yet: nothing is told that could be lost and nobody would know.
    // Set with the mutex held.
    std::atomic<bool> mark_is_pending{false};
  };

  uint32_t PartitionAt(ByteView pk) const;
  Partition& At(uint32_t partition) { return *partitions_[partition]; }
  // The promise, after reading what is noted of the partition. With the partition locked.
  Result<Epoch> Load(uint32_t partition);
  // The same where the home can answer for the partition.
  Result<Epoch> LoadSound(uint32_t partition);
  // Adds the write that makes `epoch` the promised one, if it is higher; `reply` says whether it is
  // not lower. With the partition locked.
  Status Obey(uint32_t partition, const Epoch& epoch, std::vector<StoreWrite>* writes,
              pb::HomeReply* reply);
  Result<Position> Write(uint32_t partition, const Epoch& epoch, std::vector<StoreWrite> writes,
                         bool will_sync);
  // Waits until what was written up to `position` may be acknowledged, or told.
  Task<Status> Acknowledge(uint32_t partition, Position position, bool sync);
  // With the partition locked.
  Status ListStates(const pb::ListRequest& request, pb::ListReply* reply);
  // Waits until the promise of `epoch`, written up to `position`, is durable.
  Task<Status> SyncPromise(uint32_t partition, const Epoch& epoch, Position position);
  // Makes `content` (whole keys) the pk's, in state `to`, beside `writes`. With the partition
  // locked.
  Result<Position> Replace(ByteView pk, const Epoch& epoch, const PkState& to,
                           std::map<Bytes, Bytes> content, std::vector<StoreWrite> writes,
                           bool will_sync);
  // Before and after a transaction is applied. With the partition locked.
  Result<std::map<Bytes, versioning::VersionedValue>> WhatGoes(const pb::ApplyRequest& request);
  void Remember(Partition* here, pb::ApplyRequest request,
                std::map<Bytes, versioning::VersionedValue> erased);
  // Parts of TakeIn and ReadView. With the partition locked.
  Status RefuseStrong(ByteView pk);
  const Latest* LatestOf(ByteView pk, const PkState& state);
  Result<std::optional<Outcome>> OutcomeInBranch(ByteView pk, const OpId& op);
  // kUnavailable: it may be undecided.
  Result<Outcome> OutcomeInTrunk(ByteView pk, const OpId& op, const Outcome& recorded,
                                 const Latest** to_adopt);
  struct Draft;
  Status PlanIn(const pb::SubmitRequest& request, Draft* draft);
  Status Adopt(const Latest& latest, const Outcome& recorded, Draft* draft);
  Status WriteIn(const pb::SubmitRequest& request, Draft* draft, TakenIn* taken,
                 Position* position);
  Status JoinIn(ByteView pk, const Branch& other, bool sync, Position* position);
  Status MakeRoom(ByteView pk, const std::vector<StoreWrite>& writes);
  Status ReadCk(BranchView* view, const Bytes& pk, const Bytes& ck, pb::ReadReply* reply);
  // Every entry of the pk at `source` but its state, by its key in the store.
  Task<Result<std::map<Bytes, Bytes>>> Fetch(Bytes pk, env::NodeId source, PkState state);

  const HomeOptions options_;
  LocalStore* const store_;
  Peers* const peers_;
  std::vector<std::unique_ptr<Partition>> partitions_;
};

// The whole branch of a pk at `source`, at one moment. kNotFound: it holds none.
Task<Result<Branch>> FetchBranch(Peers* peers, Bytes pk, env::NodeId source, uint64_t max_bytes,
                                 int64_t page_timeout_micros);
// The write that brings the pk with this prefix into a state.
StoreWrite StateWrite(ByteView prefix, const PkState& state);
StoreWrite PromiseWrite(uint32_t partition, const Epoch& epoch);
// Marks a partition as one of which this home may have lost everything: of a store that is new, as
// it is also after the disk of a node was lost.
StoreWrite SuspectWrite(uint32_t partition);
// Of the note that tells in which boot a partition got writes that may not be synced.
Bytes UnsyncedKey(uint32_t partition);

}  // namespace kvfs::replication
