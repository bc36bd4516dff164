// ClusterClient: the Client of a cluster whose nodes are elsewhere. It knows who the homes of
// each partition are and coordinates its own requests: transactions go to the first home that
// can decide them, reads and chunks to all homes at once. No call waits for ever: what finds no
// majority within the time-out is kUnavailable, or kOutcomeUnknown where it may have happened.
//
// Owned by the composition root; what it is built from is borrowed and outlives it. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "kvcore/client/branched_pks.h"
#include "kvcore/client/chunk_client.h"
#include "kvcore/client/client.h"
#include "kvcore/client/drops.h"
#include "kvcore/client/guarded_peers.h"
#include "kvcore/client/intent.h"
#include "kvcore/client/item_cache.h"
#include "kvcore/client/watcher.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/env/clock.h"
#include "kvcore/env/random.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/coordinator.h"
#include "kvcore/versioning/hybrid_clock.h"

namespace kvfs::client {

struct ClusterClientOptions {
  uint32_t partition_bits = 8;
  uint32_t replicas = 3;                // of each partition
  uint32_t chunk_bytes = 128u << 10;    // of a new cluster
  int64_t timeout_micros = 30'000'000;  // of one operation
  int64_t patience_micros = 300'000;    // with a commit of somebody else that is not decided
  int64_t retry_micros = 10'000;        // before looking at it again
  // Goes on where no majority answers, with what a home can do alone: what was done so is merged
  // later. False: kUnavailable then.
  bool available = true;
  BranchedPksOptions branched;
  // Numbers taken from the cluster at a time: enough for a long time without a majority, which no
  // new ones can be had of. 2 .. 2^32.
  uint64_t inode_block = 1u << 20;
  int64_t merge_micros = 5'000'000;  // what homes get to merge their branches of a pk
  GuardedPeersOptions peers;
  replication::CoordinatorOptions coordinator{.read_micros = 1'000'000};
  ChunkClientOptions chunks;
  DropsOptions drops;
  WatcherOptions watcher;
  ItemCacheOptions recent;
  // Items that are read along with one of the same tag, where there are not more of them. 0 ..
  // 1,000.
  uint32_t read_along = 64;
};

class ClusterClient final : public Client {
 public:
  struct Parts {
    const replication::Placement* placement = nullptr;
    replication::Peers* peers = nullptr;
    // Those that keep something, of this moment.
    std::function<std::vector<env::NodeId>()> nodes;
    env::Clock* clock = nullptr;
    env::Scheduler* scheduler = nullptr;
    env::Random* random = nullptr;
  };
  // Reads what the cluster was made with; whoever comes first says it. kUnavailable.
  static Task<Result<std::unique_ptr<ClusterClient>>> Open(ClusterClientOptions options,
                                                           Bytes cluster_id, Parts parts);

  const StoreInfo& info() const override { return info_; }
  Task<CommitResult> Submit(Commit commit) override;
  Task<Result<std::optional<Item>>> Get(ItemKey key) override;
  Task<Result<std::vector<std::optional<Item>>>> GetMany(std::vector<ItemKey> keys) override;
  Task<Result<std::vector<std::optional<Item>>>> GetRecent(std::vector<ItemKey> keys) override;
  Task<Result<ScanPage>> Scan(Bytes pk, Bytes begin, Bytes end, uint32_t limit) override;
  Task<Result<Bytes>> ReadChunk(ChunkId id, uint64_t offset, uint64_t size) override;
  Task<Result<ChunkInfo>> GetChunkInfo(ChunkId id) override;
  Task<Status> Sync() override;
  Task<Result<uint64_t>> AllocateInode() override;
  Task<Result<std::vector<WorkItem>>> DueWork(int64_t now_millis, uint32_t limit) override;
  Task<Result<bool>> IsWhole(Bytes pk) override;
  Task<Result<SpaceInfo>> Space() override;
  HybridTime Now() override;
  void SetChangeListener(ChangeListener listener) override;
  void KeepWatching(Bytes pk) override { watcher_.Used(pk); }

  // What a node says one way (replication::Method::kChanged). Not trusted.
  void TakeNotice(env::NodeId from, ByteView body) { watcher_.Take(from, body); }

  // Returns when nothing runs. No call may come afterwards.
  Task<void> Close();

 private:
  using ReadReply = replication::pb::ReadReply;
  // Intents that were met and not decided, by clustering key.
  struct Undecided {
    std::map<Bytes, int64_t> since;
    // No majority answers for the pk that they are in. They stay for who can decide them, and what
    // is done meanwhile is done beside them.
    bool beside = false;
  };
  enum class Decision : uint8_t { kOpen, kHappened, kAborted };

  ClusterClient(ClusterClientOptions options, Bytes cluster_id, Parts parts);
  Task<Status> LoadInfo();
  int64_t Deadline() const { return parts_.clock->MonotonicMicros() + options_.timeout_micros; }
  int64_t Left(int64_t deadline) const { return deadline - parts_.clock->MonotonicMicros(); }
  OpId NewOp();
  // Nobody will ask any more what became of it.
  void Settle(OpId op);
  uint64_t SettledBelow();
  Task<void> Pause();

  // The coordinator's, that go on without a majority where this client may, and see to it that it
  // reads what it wrote then.
  Task<Result<ReadReply>> Query(replication::pb::ReadRequest request, int64_t deadline);
  Task<CommitResult> SubmitAs(Txn txn, OpId op, bool sync, int64_t deadline,
                              const Undecided* undecided = nullptr);
  // What was taken into branches of the pk is merged, if that can be; else who holds one, or 0.
  Task<env::NodeId> MergeIfBranched(Bytes pk, int64_t deadline);

  Task<Result<std::optional<Item>>> ReadCluster(Bytes ck, int64_t deadline, bool available);
  // What is asked for as it is when nothing that has happened is still to be written there. The
  // request's own ranges keep their pages; the intents met are not among them.
  Task<Result<ReadReply>> ReadPk(replication::pb::ReadRequest request, int64_t deadline);
  // The items with the given tags too, where they are not many, for what is asked for next.
  Task<Result<std::vector<std::optional<Item>>>> ReadAlong(Bytes pk, std::vector<Bytes> cks,
                                                           int64_t deadline);
  Task<Result<std::vector<std::optional<Item>>>> GetOfPk(Bytes pk, std::vector<Bytes> cks,
                                                         int64_t deadline);

  // ---- commits over several pks (cluster_commit.cc) ------------------------
  Task<CommitResult> SubmitOne(Txn txn, bool sync, int64_t deadline);
  Task<CommitResult> SubmitMany(std::vector<Txn> txns, bool sync, int64_t deadline);
  // One attempt. Nothing: somebody else is changing a pk; which was seen to.
  Task<std::optional<CommitResult>> TryMany(const std::vector<Txn>* txns, bool sync,
                                            int64_t deadline, Undecided* undecided);
  // Under a name of its own, which is settled when this returns, or when it is merged.
  Task<CommitResult> SubmitOnce(Txn txn, bool sync, int64_t deadline,
                                const Undecided* undecided = nullptr);
  Task<void> WithdrawAll(const std::vector<Txn>* txns, OpId op, int64_t deadline);
  // Carries out what has happened and takes away what has not of the intents in the pk; what is
  // open is waited for, and aborted when that has gone on for too long.
  Task<Status> ClearIntents(Bytes pk, Undecided* undecided, int64_t deadline);
  Task<Result<Decision>> DecisionOf(const Intent* intent, int64_t deadline);
  Task<Result<Decision>> DecideNow(const Intent* intent, int64_t deadline);
  Task<Result<std::vector<Intent>>> IntentsOf(const replication::pb::Page* page);
  Task<Status> Carried(Bytes pk, const Intent* intent, int64_t deadline);

  Task<Result<Bytes>> Ask(env::NodeId node, replication::Method method, Bytes body);
  Task<std::vector<std::pair<env::NodeId, Result<Bytes>>>> AskAll(replication::Method method);

  const ClusterClientOptions options_;
  const Parts parts_;
  StoreInfo info_;  // not changed once Open has returned
  const uint64_t session_;
  std::mutex ops_mutex_;  // guards the two below
  uint64_t last_sequence_ = 0;
  std::set<uint64_t> open_ops_;  // that are not settled
  BranchedPks branched_;
  ItemCache recent_;
  std::atomic<bool> has_unsynced_chunks_{false};
  versioning::HybridClock hybrid_clock_;
  GuardedPeers peers_;
  replication::Coordinator coordinator_;
  ChunkClient chunks_;
  Drops drops_;
  Watcher watcher_;
  // A block of numbers of which nobody else has any.
  struct InodeBlock {
    uint64_t next = 0;
    uint64_t end = 0;
  };
  Task<Result<InodeBlock>> TakeInodeBlock();
  Task<void> RefillInodes();
  env::AsyncMutex allocating_;  // one block at a time; taken before inodes_mutex_
  std::mutex inodes_mutex_;     // guards the two below
  InodeBlock inodes_;
  InodeBlock spare_inodes_;  // taken when half of the others had been given out
  std::atomic<bool> is_refilling_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::client
