// The part of Home that does without a majority: doc/replication.md.
#include <algorithm>
#include <utility>

#include "kvcore/replication/expiry.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/store_items.h"
#include "kvcore/replication/transaction.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {
namespace {

using versioning::Dot;
using versioning::Sibling;
using versioning::VersionedValue;

constexpr size_t kMaxLatestBytes = 1u << 20;

// What of the pk a branch holds too.
bool IsOfBranch(ByteView ck) { return ck.starts_with(kPkWorkCk) || CheckUserCk(ck).ok(); }

Sibling Tombstone(const Dot& dot, versioning::HybridTime time) { return {dot, time, true, {}}; }

}  // namespace

// One transaction of a branch while it is planned.
struct Home::Draft {
  explicit Draft(BranchView its_view) : view(std::move(its_view)) {}

  BranchView view;
  Dot dot;
  versioning::HybridTime time = 0;
  std::map<Bytes, VersionedValue> items;  // what it leaves in the branch, by ck
  Outcome outcome;
};

Result<std::map<Bytes, VersionedValue>> Home::WhatGoes(const pb::ApplyRequest& request) {
  std::map<Bytes, VersionedValue> erased;
  const Bytes prefix = PkPrefix(request.pk());
  for (const pb::Entry& entry : request.entries()) {
    if (!entry.erase() || !IsOfBranch(entry.ck())) {
      continue;
    }
    const auto stored = store_->Get(prefix + entry.ck());
    if (stored.status().code() == Code::kNotFound) {
      continue;
    }
    KVFS_RETURN_IF_ERROR(stored.status());
    KVFS_ASSIGN_OR_RETURN(VersionedValue value, versioning::Decode(*stored));
    for (Sibling& sibling : value.siblings) {
      sibling.value.clear();  // what it has seen is all that is asked for
    }
    erased[entry.ck()] = std::move(value);
  }
  return erased;
}

void Home::Remember(Partition* here, pb::ApplyRequest request,
                    std::map<Bytes, VersionedValue> erased) {
  if (request.ByteSizeLong() > kMaxLatestBytes) {
    here->latest.erase(request.pk());
    return;
  }
  if (here->latest.size() >= options_.max_latest && !here->latest.contains(request.pk())) {
    here->latest.erase(std::min_element(
        here->latest.begin(), here->latest.end(),
        [](const auto& a, const auto& b) { return a.second.order < b.second.order; }));
  }
  Latest& latest = here->latest[request.pk()];
  latest.order = ++here->latest_order;
  latest.request = std::move(request);
  latest.erased = std::move(erased);
}

const Home::Latest* Home::LatestOf(ByteView pk, const PkState& state) {
  const auto& all = At(PartitionAt(pk)).latest;
  const auto found = all.find(Bytes(pk));
  return found != all.end() && FromProto(found->second.request.next()) == state ? &found->second
                                                                                : nullptr;
}

Status Home::RefuseStrong(ByteView pk) {
  KVFS_ASSIGN_OR_RETURN(const bool strong, store_->Contains(PkPrefix(pk) + kStrongCk));
  return strong ? StrongRefusal() : Status::Ok();
}

Result<bool> Home::HoldsBranch(ByteView pk) {
  return store_->Contains(BranchPrefix(pk) + kStateCk);
}

Result<std::optional<Outcome>> Home::OutcomeInBranch(ByteView pk, const OpId& op) {
  const Bytes prefix = BranchPrefix(pk) + OutcomeCk(op);
  const auto found = store_->Scan(prefix, PrefixEnd(prefix));
  std::optional<Outcome> outcome;
  if (found->Valid()) {
    KVFS_ASSIGN_OR_RETURN(outcome, DecodeOutcome(found->value()));
  }
  KVFS_RETURN_IF_ERROR(found->status());
  return outcome;
}

Result<Outcome> Home::OutcomeInTrunk(ByteView pk, const OpId& op, const Outcome& recorded,
                                     const Latest** to_adopt) {
  KVFS_ASSIGN_OR_RETURN(const PkState state, LocalState(pk));
  const Latest* const latest = LatestOf(pk, state);
  if (latest == nullptr) {
    return Status::Unavailable("cannot tell whether a majority has the operation");
  }
  const auto& entries = latest->request.entries();
  const Bytes ck = OutcomeCk(op);
  const bool in_latest = std::any_of(entries.begin(), entries.end(),
                                     [&](const pb::Entry& entry) { return entry.ck() == ck; });
  if (in_latest && !recorded.conflict) {
    *to_adopt = latest;
    return recorded;
  }
  // The primary that sent the latest had the one before it decided, if that was its own.
  const bool is_decided = !in_latest && FromProto(latest->request.previous()).epoch ==
                                            FromProto(latest->request.next()).epoch;
  if (!is_decided) {
    return Status::Unavailable("cannot tell whether a majority has the operation");
  }
  return recorded;
}

Status Home::PlanIn(const pb::SubmitRequest& request, Draft* draft) {
  Txn txn = TxnOf(request);
  const size_t skipped = std::min<size_t>(request.skip_when_degraded(), txn.asserts.size());
  txn.asserts.erase(txn.asserts.begin(), txn.asserts.begin() + static_cast<ptrdiff_t>(skipped));
  TxnContext context;
  context.place = PlaceOf(txn.pk);
  context.work_place = FirstPlace(PartitionAt(txn.pk), options_.partition_bits);
  context.dot = draft->dot;
  context.time = draft->time;
  context.epoch.number = UINT64_MAX;  // of no reign; the state that it leads to is not used
  context.keep_state = true;
  KVFS_ASSIGN_OR_RETURN(TxnPlan plan, PlanTxn(txn, context, &draft->view));
  if (plan.failed_assert.has_value()) {
    draft->outcome.conflict = true;
    draft->outcome.failed_assert = static_cast<uint32_t>(*plan.failed_assert + skipped);
    return Status::Ok();
  }
  draft->outcome.version = plan.version;
  plan.writes.pop_back();  // the state
  const size_t prefix_bytes = draft->view.trunk_prefix().size();
  for (const StoreWrite& write : plan.writes) {
    const Bytes ck = write.key.substr(prefix_bytes);
    VersionedValue value;
    if (write.kind == StoreWrite::Kind::kDelete) {
      draft->items.erase(ck);
      KVFS_ASSIGN_OR_RETURN(const auto present, draft->view.Item(ck));
      if (!present.has_value() || IsAbsent(*present)) {
        continue;
      }
      value = Supersede(*present, Tombstone(draft->dot, draft->time));
    } else {
      KVFS_ASSIGN_OR_RETURN(value, versioning::Decode(write.value));
    }
    // Of what the branch had there nothing is forgotten, though the trunk may have taken it in.
    KVFS_ASSIGN_OR_RETURN(const auto own, draft->view.Own(ck));
    if (own.has_value()) {
      value.context = versioning::Join(value.context, own->context);
    }
    draft->items[ck] = std::move(value);
  }
  return Status::Ok();
}

Status Home::Adopt(const Latest& latest, const Outcome& recorded, Draft* draft) {
  const Dot was{recorded.version.high, recorded.version.low};
  for (const pb::Entry& entry : latest.request.entries()) {
    if (!IsOfBranch(entry.ck())) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(const auto present, draft->view.Item(entry.ck()));
    KVFS_ASSIGN_OR_RETURN(const auto own, draft->view.Own(entry.ck()));
    if (entry.erase()) {
      const auto erased = latest.erased.find(entry.ck());
      if (!own.has_value() && !present.has_value() && erased != latest.erased.end()) {
        draft->items[entry.ck()] = Supersede(erased->second, Tombstone(draft->dot, draft->time));
      }
      continue;
    }
    // What the branch has put there since has seen it, and stays.
    if (!present.has_value()) {
      continue;
    }
    for (const Sibling& sibling : present->siblings) {
      if (sibling.dot == was) {
        draft->items[entry.ck()] =
            Supersede(*present, {draft->dot, sibling.time, sibling.tombstone, sibling.value});
        break;
      }
    }
  }
  draft->outcome.version = {draft->dot.epoch, draft->dot.counter};
  return Status::Ok();
}

Status Home::WriteIn(const pb::SubmitRequest& request, Draft* draft, TakenIn* taken,
                     Position* position) {
  const Bytes& pk = request.pk();
  const OpId op{request.op().session(), request.op().sequence()};
  std::vector<StoreWrite> writes;
  const auto add = [&](const Bytes& ck, Bytes value) {
    pb::Entry* const entry = taken->push.add_entries();
    entry->set_ck(ck);
    entry->set_value(value);
    writes.push_back(BranchWrite(pk, ck, std::move(value)));
  };
  for (const auto& [ck, value] : draft->items) {
    Bytes encoded;
    versioning::Encode(value, &encoded);
    add(ck, std::move(encoded));
  }
  add(BranchOutcomeCk(op, draft->dot.epoch), EncodeOutcome(draft->outcome));
  BranchCounts held = draft->view.held();
  held[draft->dot.epoch] = draft->dot.counter;
  writes.push_back(BranchWrite(pk, ByteView(&kStateCk, 1), EncodeCounts(held)));
  KVFS_RETURN_IF_ERROR(MakeRoom(pk, writes));
  KVFS_ASSIGN_OR_RETURN(*position, Write(PartitionAt(pk), {}, std::move(writes), request.sync()));
  taken->push.set_actor(draft->dot.epoch);
  taken->push.set_count(draft->dot.counter);
  return Status::Ok();
}

Task<Result<Home::TakenIn>> Home::TakeIn(pb::SubmitRequest request, uint64_t actor,
                                         versioning::HybridTime time) {
  const uint32_t partition = PartitionAt(request.pk());
  const OpId op{request.op().session(), request.op().sequence()};
  Status admitted = co_await store_->Admit(static_cast<uint64_t>(request.ByteSizeLong()));
  KVFS_CO_RETURN_IF_ERROR(admitted);
  TakenIn taken;
  taken.push.set_pk(request.pk());
  taken.push.set_sync(request.sync());
  Position position = 0;
  {
    auto guard = co_await At(partition).mutex.Lock();
    KVFS_CO_RETURN_IF_ERROR(LoadSound(partition).status());
    KVFS_CO_RETURN_IF_ERROR(RefuseStrong(request.pk()));
    if (request.set_strong() != 0) {
      co_return Status::Unavailable("strong or not: only a majority can say");
    }
    position = store_->LastPosition();
    KVFS_CO_ASSIGN_OR_RETURN(const auto done, OutcomeInBranch(request.pk(), op));
    if (done.has_value()) {
      taken.outcome = *done;
      taken.push.set_actor(done->version.high);  // the others may not have it yet
      taken.push.set_count(done->version.low);
    } else {
      const Latest* to_adopt = nullptr;
      const auto stored = store_->Get(OutcomeKey(request.pk(), op));
      if (stored.ok()) {
        KVFS_CO_ASSIGN_OR_RETURN(const Outcome recorded, DecodeOutcome(*stored));
        KVFS_CO_ASSIGN_OR_RETURN(taken.outcome,
                                 OutcomeInTrunk(request.pk(), op, recorded, &to_adopt));
        taken.is_decided = to_adopt == nullptr;
      } else if (stored.status().code() != Code::kNotFound) {
        co_return stored.status();
      }
      if (!taken.is_decided) {
        KVFS_CO_ASSIGN_OR_RETURN(const uint64_t expired_below,
                                 ExpiredBelow(store_, request.pk(), op.session));
        KVFS_CO_ASSIGN_OR_RETURN(BranchView view, BranchView::Of(store_, request.pk()));
        Draft draft(std::move(view));
        OwnBranch& own = At(partition).branches[request.pk()];
        if (CountOf(draft.view.held(), own.actor) == 0) {
          own.actor = actor;
        }
        draft.dot = {own.actor, CountOf(draft.view.held(), own.actor) + 1};
        draft.time = time;
        if (to_adopt != nullptr) {
          KVFS_CO_RETURN_IF_ERROR(Adopt(*to_adopt, taken.outcome, &draft));
        } else if (op.sequence < expired_below) {
          draft.outcome.conflict = true;
        } else {
          KVFS_CO_RETURN_IF_ERROR(PlanIn(request, &draft));
        }
        if (draft.outcome.conflict && request.attempt() > 1) {
          co_return Status(Code::kOutcomeUnknown,
                           "refused without a majority, but an earlier attempt may happen");
        }
        taken.outcome = draft.outcome;
        if (draft.outcome.conflict) {
          taken.is_decided = true;  // it leaves nothing
        } else {
          KVFS_CO_RETURN_IF_ERROR(WriteIn(request, &draft, &taken, &position));
        }
      }
    }
  }
  Status safe = co_await Acknowledge(partition, position, request.sync());
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return taken;
}

Status Home::ReadCk(BranchView* view, const Bytes& pk, const Bytes& ck, pb::ReadReply* reply) {
  std::optional<Bytes> value;
  if (IsOutcomeCk(ck)) {
    const auto [op, unused] = DecodeBranchOutcomeCk(ck + Bytes(sizeof(uint64_t), '\0'));
    KVFS_ASSIGN_OR_RETURN(const auto in_branch, OutcomeInBranch(pk, op));
    const auto stored = store_->Get(view->trunk_prefix() + ck);
    if (in_branch.has_value()) {
      value = EncodeOutcome(*in_branch);
    } else if (stored.ok()) {
      KVFS_ASSIGN_OR_RETURN(const Outcome recorded, DecodeOutcome(*stored));
      const Latest* in_flight = nullptr;
      const auto decided = OutcomeInTrunk(pk, op, recorded, &in_flight);
      if (decided.ok() && in_flight == nullptr) {  // else it is open, as far as can be told here
        value = *stored;
      }
    } else if (stored.status().code() != Code::kNotFound) {
      return stored.status();
    }
  } else {
    KVFS_ASSIGN_OR_RETURN(value, view->Read(view->trunk_prefix() + ck));
  }
  if (value.has_value()) {
    pb::Entry* const entry = reply->add_entries();
    entry->set_ck(ck);
    entry->set_value(std::move(*value));
  }
  return Status::Ok();
}

Task<Result<pb::ReadReply>> Home::ReadView(pb::ReadRequest request) {
  pb::ReadReply reply;
  const uint32_t partition = PartitionAt(request.pk());
  Position position = 0;
  {
    auto guard = co_await At(partition).mutex.Lock();
    KVFS_CO_RETURN_IF_ERROR(LoadSound(partition).status());
    KVFS_CO_RETURN_IF_ERROR(RefuseStrong(request.pk()));
    KVFS_CO_ASSIGN_OR_RETURN(const PkState state, LocalState(request.pk()));
    *reply.mutable_state() = ToProto(state);
    reply.set_ok(true);
    reply.set_degraded(true);
    KVFS_CO_ASSIGN_OR_RETURN(BranchView view, BranchView::Of(store_, request.pk()));
    reply.set_branch(!view.held().empty());
    for (const Bytes& ck : request.cks()) {
      KVFS_CO_RETURN_IF_ERROR(ReadCk(&view, request.pk(), ck, &reply));
    }
    for (const pb::Range& range : request.ranges()) {
      KVFS_CO_RETURN_IF_ERROR(view.ReadRange(range, options_.page_bytes, reply.add_pages()));
    }
    position = store_->LastPosition();
  }
  Status safe = co_await Acknowledge(partition, position, false);
  KVFS_CO_RETURN_IF_ERROR(safe);
  co_return reply;
}

}  // namespace kvfs::replication
