// Primary: carries commits out for the partitions it serves. It locks what a commit
// touches, has the pure cores check the asserts and plan the writes, and applies all of
// it as one batch of the local store.
//
// Owned by the node; outlives its callers. Thread-safe. A commit that finds its
// partitions free and need not be synced runs to its end on the caller's thread.
// Locks: one per partition, taken in ascending order, held over reads and one Apply,
// never over Admit or Sync.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/env/clock.h"
#include "kvcore/replication/chunk_plan.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/number_source.h"
#include "kvcore/replication/types.h"
#include "kvcore/versioning/hybrid_clock.h"

namespace kvfs::replication {

struct PrimaryOptions {
  uint32_t partition_bits = 8;  // 0..16
  uint64_t storage_epoch = 0;   // of the dots minted here
  bool one_actor = false;       // no other storage epoch ever wrote to this store
  Epoch epoch{1, 1};            // promised for every partition
  // Chunks of commits that are not synced, or bring more than this, are written before the locks
  // are taken. Smaller ones go into the batch: one fdatasync makes all of it durable.
  uint64_t inline_sync_bytes = 64u << 10;
};

class Primary {
 public:
  // `dots` counts the dots of options.storage_epoch. Everything is borrowed.
  Primary(const PrimaryOptions& options, LocalStore* store, NumberSource* dots,
          versioning::HybridClock* hybrid_clock, env::Clock* clock, env::Scheduler* scheduler);
  Primary(const Primary&) = delete;
  Primary& operator=(const Primary&) = delete;

  Task<CommitResult> Submit(Commit commit);

  struct Stats {
    uint64_t commits = 0;    // that happened
    uint64_t conflicts = 0;  // refused by an assert
  };
  Stats GetStats() const;

  // Work due at or before `now_millis`, at most `limit` items, in order within a partition. The
  // store's own lines (kSweepWork) are worked off on the way.
  Task<Result<std::vector<WorkItem>>> DueWork(int64_t now_millis, uint32_t limit);

 private:
  struct Partition {
    explicit Partition(env::Scheduler* scheduler) : mutex(scheduler) {}
    env::AsyncMutex mutex;
    // No work is due before this. Guarded by `mutex`.
    int64_t earliest_due = INT64_MIN;
  };

  // The partitions a commit touches, ascending, each once.
  std::vector<uint32_t> PartitionsOf(const std::vector<uint16_t>& places,
                                     const std::vector<ChunkChange>& changes) const;
  // Writes the bytes of chunks that are not in the store, before the locks are taken.
  Task<Status> StageChunks(std::vector<ChunkChange>* changes);
  Status StageChunk(ChunkChange* change);
  // With the partitions locked: checks and writes. `first_dot` and on are this commit's.
  Result<Position> Execute(const Commit& commit, const std::vector<uint16_t>& places,
                           std::vector<ChunkChange>* changes, uint64_t first_dot,
                           CommitResult* result);
  // The state items of those of these partition keys (ids of sweep lines) that have no items, and
  // the lines themselves, go. With the partition locked.
  Status Sweep(uint16_t work_place, const std::vector<WorkKey>& lines);
  int64_t WallMillis() const { return clock_->WallNanos() / 1'000'000; }
  uint32_t PartitionAt(uint16_t place) const;

  const PrimaryOptions options_;
  LocalStore* const store_;
  NumberSource* const dots_;
  versioning::HybridClock* const hybrid_clock_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::atomic<uint64_t> commits_{0};
  std::atomic<uint64_t> conflicts_{0};
};

}  // namespace kvfs::replication
