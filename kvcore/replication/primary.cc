#include "kvcore/replication/primary.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "kvcore/replication/chunk_plan.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/store_items.h"
#include "kvcore/replication/transaction.h"

namespace kvfs::replication {
namespace {

// What an item costs beside its key and value, generously.
constexpr uint64_t kItemOverheadBytes = 100;

uint64_t BytesOf(const Commit& commit) {
  uint64_t bytes = 0;
  for (const ChunkPut& put : commit.chunks) {
    bytes += kItemOverheadBytes + (put.data.has_value() ? put.data->size() : 0);
  }
  for (const Txn& txn : commit.txns) {
    for (const Write& write : txn.writes) {
      bytes += kItemOverheadBytes + write.ck.size() + write.value.size();
    }
    for (const auto& [work, value] : txn.work_puts) {
      bytes += kItemOverheadBytes + value.size();
    }
    bytes += kItemOverheadBytes * (1 + txn.work_erases.size());
  }
  return bytes + kItemOverheadBytes * commit.drops.size();
}

Status Check(const Commit& commit) {
  for (size_t i = 0; i < commit.txns.size(); ++i) {
    KVFS_RETURN_IF_ERROR(CheckTxn(commit.txns[i]));
    for (size_t j = 0; j < i; ++j) {
      if (commit.txns[i].pk == commit.txns[j].pk) {
        return Status::InvalidArgument("two transactions on one partition key in a commit");
      }
    }
  }
  return Status::Ok();
}

}  // namespace

Primary::Primary(const PrimaryOptions& options, LocalStore* store, NumberSource* dots,
                 versioning::HybridClock* hybrid_clock, env::Clock* clock,
                 env::Scheduler* scheduler)
    : options_(options), store_(store), dots_(dots), hybrid_clock_(hybrid_clock), clock_(clock) {
  assert(options.partition_bits <= 16);
  const size_t count = size_t{1} << options.partition_bits;
  partitions_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    partitions_.push_back(std::make_unique<Partition>(scheduler));
  }
}

uint32_t Primary::PartitionAt(uint16_t place) const {
  return PartitionOf(place, options_.partition_bits);
}

std::vector<uint32_t> Primary::PartitionsOf(const Commit& commit,
                                            const std::vector<uint16_t>& places) const {
  std::vector<uint32_t> touched;
  touched.reserve(commit.chunks.size() + commit.drops.size() + places.size());
  for (const uint16_t place : places) {
    touched.push_back(PartitionAt(place));
  }
  for (const ChunkPut& put : commit.chunks) {
    touched.push_back(PartitionAt(PlaceOf(put.id)));
  }
  for (const ChunkDrop& drop : commit.drops) {
    touched.push_back(PartitionAt(PlaceOf(drop.id)));
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  return touched;
}

Task<CommitResult> Primary::Submit(Commit commit) {
  CommitResult result;
  result.status = Check(commit);
  if (!result.status.ok()) {
    co_return result;
  }
  std::vector<uint16_t> places;
  places.reserve(commit.txns.size());
  for (const Txn& txn : commit.txns) {
    places.push_back(PlaceOf(txn.pk));
  }

  Status admitted = co_await store_->Admit(BytesOf(commit));
  if (!admitted.ok() && !(admitted.code() == Code::kNoSpace && commit.may_use_reserve)) {
    result.status = std::move(admitted);
    co_return result;
  }
  // One dot for each pk: of the transactions, then of the chunks.
  Result<uint64_t> first_dot =
      co_await dots_->Take(std::max<uint64_t>(1, commit.txns.size() + commit.chunks.size()));
  if (!first_dot.ok()) {
    result.status = first_dot.status();
    co_return result;
  }

  Result<Position> position = Position{0};
  {
    const std::vector<uint32_t> touched = PartitionsOf(commit, places);
    std::vector<env::AsyncMutex::Guard> guards;
    guards.reserve(touched.size());
    for (const uint32_t partition : touched) {
      guards.push_back(co_await partitions_[partition]->mutex.Lock());
    }
    position = Execute(commit, places, *first_dot, &result);
  }
  if (!position.ok()) {
    result.status = position.status();
    result.versions.clear();
    co_return result;
  }
  if (result.status.ok() && commit.sync) {
    result.status = co_await store_->Sync(*position);
  }
  co_return result;
}

Result<Position> Primary::Execute(const Commit& commit, const std::vector<uint16_t>& places,
                                  uint64_t first_dot, CommitResult* result) {
  const versioning::HybridTime time = hybrid_clock_->Now(WallMillis());
  StoreItems items(store_);
  uint64_t counter = first_dot;
  std::vector<StoreWrite> writes;

  // The transactions are checked first: they fail more often, and their reads are cheaper.
  for (size_t i = 0; i < commit.txns.size(); ++i) {
    TxnContext context;
    context.place = places[i];
    context.work_place = FirstPlace(PartitionAt(places[i]), options_.partition_bits);
    context.dot = {options_.storage_epoch, counter++};
    context.time = time;
    context.epoch_number = options_.epoch_number;
    context.epoch_node = options_.epoch_node;
    context.one_actor = options_.one_actor;
    KVFS_ASSIGN_OR_RETURN(TxnPlan plan, PlanTxn(commit.txns[i], context, &items));
    if (plan.failed_assert.has_value()) {
      result->status = Status::Conflict("an assert did not hold");
      result->failed_txn = i;
      result->failed_assert = *plan.failed_assert;
      result->versions.clear();
      return Position{0};
    }
    result->versions.push_back(plan.version);
    if (writes.empty()) {
      writes = std::move(plan.writes);
    } else {
      std::move(plan.writes.begin(), plan.writes.end(), std::back_inserter(writes));
    }
  }
  for (const ChunkChange& change : GroupByChunk(commit.chunks, commit.drops)) {
    ChunkContext context;
    if (!change.puts.empty()) {
      context.dot = {options_.storage_epoch, counter++};
    }
    context.time = time;
    context.one_actor = options_.one_actor;
    KVFS_RETURN_IF_ERROR(PlanChunk(change, context, &items, &writes));
  }
  if (writes.empty()) {
    return store_->LastPosition();
  }
  KVFS_ASSIGN_OR_RETURN(
      const Position position,
      store_->Apply(std::move(writes),
                    {.will_sync = commit.sync, .may_use_reserve = commit.may_use_reserve}));
  for (size_t i = 0; i < commit.txns.size(); ++i) {
    Partition& partition = *partitions_[PartitionAt(places[i])];
    for (const auto& [work, value] : commit.txns[i].work_puts) {
      partition.earliest_due = std::min(partition.earliest_due, work.due_millis);
    }
  }
  return position;
}

Task<Result<std::vector<WorkItem>>> Primary::DueWork(int64_t now_millis, uint32_t limit) {
  std::vector<WorkItem> found;
  for (uint32_t number = 0; number < partitions_.size() && found.size() < limit; ++number) {
    Partition& partition = *partitions_[number];
    auto guard = co_await partition.mutex.Lock();
    if (partition.earliest_due > now_millis) {
      continue;
    }
    const Bytes prefix = WorkPrefix(FirstPlace(number, options_.partition_bits));
    const auto lines = store_->Scan(prefix, PrefixEnd(prefix));
    int64_t earliest = INT64_MAX;
    for (bool first = true; lines->Valid() && found.size() < limit; lines->Next()) {
      KVFS_CO_ASSIGN_OR_RETURN(WorkKey key, DecodeWorkCk(lines->key().substr(prefix.size())));
      if (first) {
        earliest = key.due_millis;
        first = false;
      }
      if (key.due_millis > now_millis) {
        break;
      }
      KVFS_CO_ASSIGN_OR_RETURN(versioning::VersionedValue value,
                               versioning::Decode(lines->value()));
      found.push_back({number, std::move(key), std::move(value.siblings[0].value)});
    }
    KVFS_CO_RETURN_IF_ERROR(lines->status());
    partition.earliest_due = earliest;
  }
  co_return found;
}

}  // namespace kvfs::replication
