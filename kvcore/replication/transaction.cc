#include "kvcore/replication/transaction.h"

#include <algorithm>
#include <utility>

#include "kvcore/versioning/hybrid_clock.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {
namespace {

using versioning::Sibling;
using versioning::VersionedValue;

constexpr int64_t kSweepMillis = 30'000;
constexpr uint64_t kMaxItemBytes = 16u << 20;

bool AcceptAll(ByteView /*key*/) { return true; }

Result<VersionId> CurrentVersion(ItemSource* items, ByteView key) {
  KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, items->Read(key));
  if (!stored.has_value()) {
    return VersionId{};
  }
  KVFS_ASSIGN_OR_RETURN(const VersionedValue value, versioning::Decode(*stored));
  return IdOf(value);
}

class Planner {
 public:
  Planner(const Txn& txn, const TxnContext& context, ItemSource* items)
      : txn_(txn), context_(context), items_(items), prefix_(PkPrefix(context.place, txn.pk)) {}

  Result<TxnPlan> Plan() {
    for (size_t i = 0; i < txn_.asserts.size(); ++i) {
      KVFS_ASSIGN_OR_RETURN(const bool holds, Holds(txn_.asserts[i]));
      if (!holds) {
        plan_.failed_assert = i;
        return std::move(plan_);
      }
    }
    plan_.version = {context_.dot.epoch, context_.dot.counter};
    plan_.writes.reserve(txn_.writes.size() + txn_.work_puts.size() + txn_.work_erases.size() + 1);
    for (const Write& write : txn_.writes) {
      if (write.kind == Write::Kind::kErase) {
        Erase(Key(write.ck));
      } else {
        KVFS_RETURN_IF_ERROR(Put(Key(write.ck), write.value));
      }
    }
    for (const WorkKey& work : txn_.work_erases) {
      Erase(WorkLineKey(work));
    }
    for (const auto& [work, value] : txn_.work_puts) {
      KVFS_RETURN_IF_ERROR(Put(WorkLineKey(work), value));
    }
    if (!context_.keep_state && MayTakeTheLastItem()) {
      KVFS_RETURN_IF_ERROR(Put(WorkItemKey(context_.work_place, SweepLine()), {}));
    }
    KVFS_RETURN_IF_ERROR(AdvanceState());
    return std::move(plan_);
  }

 private:
  Bytes Key(ByteView ck) const {
    Bytes key;
    key.reserve(prefix_.size() + ck.size());
    key.append(prefix_).append(ck);
    return key;
  }

  // Where the pk has several homes its lines are part of it, so that they are where it is; each
  // home makes the partition's index of them.
  Bytes WorkLineKey(const WorkKey& work) const {
    return context_.keep_state ? Key(kPkWorkCk + WorkCk(work))
                               : WorkItemKey(context_.work_place, work);
  }

  Result<bool> Holds(const Assert& assertion) {
    const Bytes key = Key(assertion.ck);
    if (assertion.kind == Assert::Kind::kPrefixEmpty) {
      KVFS_ASSIGN_OR_RETURN(const bool any, items_->AnyKey(key, PrefixEnd(key), AcceptAll));
      return !any;
    }
    KVFS_ASSIGN_OR_RETURN(const VersionId current, CurrentVersion(items_, key));
    switch (assertion.kind) {
      case Assert::Kind::kAbsent:
        return current == VersionId{};
      case Assert::Kind::kPresent:
        return current != VersionId{};
      default:
        return current == assertion.version;
    }
  }

  Status Put(Bytes key, ByteView value) {
    Bytes encoded;
    if (context_.one_actor) {
      versioning::EncodeLone(context_.dot, context_.time, value, &encoded);
    } else {
      VersionedValue current;
      KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, items_->Read(key));
      if (stored.has_value()) {
        KVFS_ASSIGN_OR_RETURN(current, versioning::Decode(*stored));
      }
      versioning::Encode(
          Supersede(current, Sibling{context_.dot, context_.time, false, Bytes(value)}), &encoded);
    }
    StoreWrite& write = plan_.writes.emplace_back();
    write.key = std::move(key);
    write.value = std::move(encoded);
    return Status::Ok();
  }

  // Only a transaction that erases and puts nothing can.
  bool MayTakeTheLastItem() const {
    return !txn_.writes.empty() &&
           std::all_of(txn_.writes.begin(), txn_.writes.end(),
                       [](const Write& write) { return write.kind == Write::Kind::kErase; });
  }

  // Looking walks over what was deleted, so it is done once for all that go in half a minute.
  WorkKey SweepLine() const {
    const int64_t now = versioning::MillisOf(context_.time);
    return {(now / kSweepMillis + 1) * kSweepMillis, kSweepWork, txn_.pk};
  }

  // This node owns everything alone, so nobody could bring the item back: no tombstone.
  void Erase(Bytes key) {
    StoreWrite& write = plan_.writes.emplace_back();
    write.kind = StoreWrite::Kind::kDelete;
    write.key = std::move(key);
  }

  Status AdvanceState() {
    const Bytes key = Key(ByteView(&kStateCk, 1));
    KVFS_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, items_->Read(key));
    if (stored.has_value()) {
      KVFS_ASSIGN_OR_RETURN(plan_.previous, DecodePkState(*stored));
    }
    plan_.next = After(plan_.previous, context_.epoch);
    StoreWrite& write = plan_.writes.emplace_back();
    write.key = key;
    EncodePkState(plan_.next, &write.value);
    return Status::Ok();
  }

  const Txn& txn_;
  const TxnContext& context_;
  ItemSource* const items_;
  const Bytes prefix_;
  TxnPlan plan_;
};

Status CheckWork(const WorkKey& work) {
  if (work.id.empty() || work.id.size() > kMaxWorkIdBytes) {
    return Status::InvalidArgument("the id of a work item has 1 to 64 bytes");
  }
  if (work.kind == kSweepWork) {
    return Status::InvalidArgument("a kind of work reserved by the store");
  }
  return Status::Ok();
}

}  // namespace

Status CheckTxn(const Txn& txn) {
  KVFS_RETURN_IF_ERROR(CheckUserPk(txn.pk));
  for (const Assert& assertion : txn.asserts) {
    KVFS_RETURN_IF_ERROR(CheckUserCk(assertion.ck));
  }
  for (const Write& write : txn.writes) {
    KVFS_RETURN_IF_ERROR(CheckUserCk(write.ck));
    if (write.value.size() > kMaxItemBytes) {
      return Status::InvalidArgument("an item has at most 16 MiB");
    }
  }
  for (const auto& [work, value] : txn.work_puts) {
    KVFS_RETURN_IF_ERROR(CheckWork(work));
    if (value.size() > kMaxItemBytes) {
      return Status::InvalidArgument("a work item has at most 16 MiB");
    }
  }
  for (const WorkKey& work : txn.work_erases) {
    KVFS_RETURN_IF_ERROR(CheckWork(work));
  }
  return Status::Ok();
}

Result<TxnPlan> PlanTxn(const Txn& txn, const TxnContext& context, ItemSource* items) {
  return Planner(txn, context, items).Plan();
}

}  // namespace kvfs::replication
