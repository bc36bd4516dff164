#include "kvcore/replication/primary.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "kvcore/env/parallel.h"
#include "kvcore/replication/chunk_plan.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/store_items.h"
#include "kvcore/replication/transaction.h"

namespace kvfs::replication {
namespace {

// Per call of DueWork and partition.
constexpr size_t kMaxSweeps = 256;

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
    : options_(options),
      store_(store),
      dots_(dots),
      hybrid_clock_(hybrid_clock),
      clock_(clock),
      scheduler_(scheduler) {
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

Primary::Stats Primary::GetStats() const {
  return {commits_.load(std::memory_order_relaxed), conflicts_.load(std::memory_order_relaxed)};
}

std::vector<uint32_t> Primary::PartitionsOf(const std::vector<uint16_t>& places,
                                            const std::vector<ChunkChange>& changes) const {
  std::vector<uint32_t> touched;
  touched.reserve(places.size() + changes.size());
  for (const uint16_t place : places) {
    touched.push_back(PartitionAt(place));
  }
  for (const ChunkChange& change : changes) {
    touched.push_back(PartitionAt(PlaceOf(change.id)));
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  return touched;
}

Task<Status> Primary::StageChunks(std::vector<ChunkChange>* changes) {
  std::vector<ChunkChange*> with_data;
  for (ChunkChange& change : *changes) {
    if (change.data.has_value()) {
      with_data.push_back(&change);
    }
  }
  std::vector<Status> outcomes(with_data.size());
  std::function<void(size_t)> stage = [&](size_t i) { outcomes[i] = StageChunk(with_data[i]); };
  co_await env::InParallel(scheduler_, with_data.size(), stage);
  for (Status& outcome : outcomes) {
    if (!outcome.ok()) {
      co_return std::move(outcome);
    }
  }
  co_return Status::Ok();
}

Status Primary::StageChunk(ChunkChange* change) {
  // Only a guess: asked again under the lock.
  KVFS_ASSIGN_OR_RETURN(const bool exists, store_->Contains(ChunkDataKey(change->id)));
  if (!exists) {
    KVFS_ASSIGN_OR_RETURN(change->staged, store_->StageLarge(*change->data));
  }
  return Status::Ok();
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
  std::vector<ChunkChange> changes = GroupByChunk(commit.chunks, commit.drops);

  const uint64_t bytes = BytesOf(commit);
  Status ready = co_await store_->Admit(bytes);
  if (ready.code() == Code::kNoSpace && commit.may_use_reserve) {
    ready = Status::Ok();
  }
  // One dot for each pk: of the transactions, then of the chunks.
  Result<uint64_t> first_dot = uint64_t{0};
  if (ready.ok()) {
    first_dot = co_await dots_->Take(std::max<uint64_t>(1, places.size() + changes.size()));
    ready = first_dot.status();
  }
  if (ready.ok() && !(commit.sync && bytes <= options_.inline_sync_bytes)) {
    ready = co_await StageChunks(&changes);
  }

  Position position = 0;
  if (ready.ok()) {
    const std::vector<uint32_t> touched = PartitionsOf(places, changes);
    std::vector<env::AsyncMutex::Guard> guards;
    guards.reserve(touched.size());
    for (const uint32_t partition : touched) {
      guards.push_back(co_await partitions_[partition]->mutex.Lock());
    }
    Result<Position> executed = Execute(commit, places, &changes, *first_dot, &result);
    ready = executed.status();
    position = executed.ok() ? *executed : 0;
  }
  const bool happened = ready.ok() && result.status.ok();
  for (const ChunkChange& change : changes) {
    if (change.staged.has_value() && !(happened && change.staged_is_used)) {
      store_->Unstage(*change.staged);
    }
  }
  if (!happened) {
    if (!ready.ok()) {
      result.status = std::move(ready);
    }
    result.versions.clear();
    co_return result;
  }
  commits_.fetch_add(1, std::memory_order_relaxed);
  if (commit.sync) {
    result.status = co_await store_->Sync(position);
  }
  co_return result;
}

Result<Position> Primary::Execute(const Commit& commit, const std::vector<uint16_t>& places,
                                  std::vector<ChunkChange>* changes, uint64_t first_dot,
                                  CommitResult* result) {
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
    context.epoch = options_.epoch;
    context.one_actor = options_.one_actor;
    KVFS_ASSIGN_OR_RETURN(TxnPlan plan, PlanTxn(commit.txns[i], context, &items));
    if (plan.failed_assert.has_value()) {
      result->status = Status::Conflict("an assert did not hold");
      result->failed_txn = i;
      result->failed_assert = *plan.failed_assert;
      conflicts_.fetch_add(1, std::memory_order_relaxed);
      return Position{0};
    }
    result->versions.push_back(plan.version);
    if (writes.empty()) {
      writes = std::move(plan.writes);
    } else {
      std::move(plan.writes.begin(), plan.writes.end(), std::back_inserter(writes));
    }
  }
  for (ChunkChange& change : *changes) {
    ChunkContext context;
    if (!change.puts.empty()) {
      context.dot = {options_.storage_epoch, counter++};
    }
    context.time = time;
    context.one_actor = options_.one_actor;
    KVFS_RETURN_IF_ERROR(PlanChunk(context, &items, &change, &writes));
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

Status Primary::Sweep(uint16_t work_place, const std::vector<WorkKey>& lines) {
  std::vector<StoreWrite> writes;
  for (const WorkKey& line : lines) {
    KVFS_ASSIGN_OR_RETURN(const ScanPage page, StoreItems(store_).Scan(line.id, {}, {}, 1));
    if (page.items.empty()) {
      StoreWrite& state = writes.emplace_back();
      state.kind = StoreWrite::Kind::kDelete;
      state.key = PkPrefix(line.id) + kStateCk;
    }
    StoreWrite& done = writes.emplace_back();
    done.kind = StoreWrite::Kind::kDelete;
    done.key = WorkItemKey(work_place, line);
  }
  return store_->Apply(std::move(writes), {.may_use_reserve = true}).status();
}

Task<Result<std::vector<WorkItem>>> Primary::DueWork(int64_t now_millis, uint32_t limit) {
  std::vector<WorkItem> found;
  for (uint32_t number = 0; number < partitions_.size() && found.size() < limit; ++number) {
    Partition& partition = *partitions_[number];
    auto guard = co_await partition.mutex.Lock();
    if (partition.earliest_due > now_millis) {
      continue;
    }
    const uint16_t place = FirstPlace(number, options_.partition_bits);
    const Bytes prefix = WorkPrefix(place);
    // From the first line there can be: before it may lie the deleted ones of a million jobs done.
    const auto lines =
        store_->Scan(WorkDuePrefix(place, partition.earliest_due), PrefixEnd(prefix));
    std::vector<WorkKey> sweeps;
    std::optional<int64_t> earliest;  // of what stays
    for (; lines->Valid() && found.size() < limit; lines->Next()) {
      KVFS_CO_ASSIGN_OR_RETURN(WorkKey key, DecodeWorkCk(lines->key().substr(prefix.size())));
      const bool is_due = key.due_millis <= now_millis;
      if (is_due && key.kind == kSweepWork && sweeps.size() < kMaxSweeps) {
        sweeps.push_back(std::move(key));
        continue;
      }
      earliest = earliest.value_or(key.due_millis);
      if (!is_due) {
        break;
      }
      if (key.kind != kSweepWork) {
        KVFS_CO_ASSIGN_OR_RETURN(versioning::VersionedValue value,
                                 versioning::Decode(lines->value()));
        found.push_back({number, std::move(key), std::move(value.siblings[0].value)});
      }
    }
    KVFS_CO_RETURN_IF_ERROR(lines->status());
    const bool at_end = !lines->Valid();
    if (!sweeps.empty()) {
      // A store that takes no writes, as while it is checked, keeps the lines; they do no harm.
      if (const Status swept = Sweep(place, sweeps);
          !swept.ok() && swept.code() != Code::kReadOnly) {
        co_return swept;
      }
    }
    if (!earliest.has_value() && !at_end) {
      continue;  // stopped by the limit before anything that stays
    }
    partition.earliest_due = earliest.value_or(INT64_MAX);
  }
  co_return found;
}

}  // namespace kvfs::replication
