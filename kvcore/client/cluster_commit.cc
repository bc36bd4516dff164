// ClusterClient: commits.
//
// One pk: a transaction at its primary. Several: intents are left in all of them but the first,
// which decides; doc/multi-directory.md.

#include <algorithm>
#include <utility>

#include "kvcore/client/cluster_client.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/outcome.h"
#include "kvcore/replication/transaction.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::client {

namespace pb = replication::pb;

namespace {

CommitResult Failed(Status status) {
  CommitResult result;
  result.status = std::move(status);
  return result;
}

// AssertNoIntent stands first.
bool MetIntent(const CommitResult& result) {
  return result.status.code() == Code::kConflict && result.failed_assert == 0;
}

Status CheckTxns(const std::vector<Txn>& txns) {
  for (size_t i = 0; i < txns.size(); ++i) {
    KVFS_RETURN_IF_ERROR(replication::CheckTxn(txns[i]));
    for (size_t j = 0; j < i; ++j) {
      if (txns[i].pk == txns[j].pk) {
        return Status::InvalidArgument("two transactions on one partition key in a commit");
      }
    }
  }
  return Status::Ok();
}

}  // namespace

Task<CommitResult> ClusterClient::Submit(Commit commit) {
  if (Status checked = CheckTxns(commit.txns); !checked.ok()) {
    co_return Failed(std::move(checked));
  }
  const int64_t deadline = Deadline();
  // As of now: who commits after this has happened finds a later state, and what he puts again is
  // not taken away by the drops of this commit, however late they come.
  replication::PkState put_stamp;
  replication::PkState drop_stamp;
  drop_stamp.epoch.number = UINT64_MAX;  // where no transaction says what came first
  if (!commit.txns.empty() && !(commit.chunks.empty() && commit.drops.empty())) {
    pb::ReadRequest request;
    request.set_pk(commit.txns[0].pk);
    const auto now = co_await Query(std::move(request), deadline);
    if (!now.ok()) {
      co_return Failed(now.status());
    }
    put_stamp = drop_stamp = replication::FromProto(now->state());
  }
  bool chunks_degraded = false;
  if (!commit.chunks.empty()) {
    const auto put =
        co_await chunks_.Put(commit.chunks, put_stamp, commit.sync, deadline, options_.available);
    if (!put.ok()) {
      co_return Failed(put.status());
    }
    chunks_degraded = *put;
  }
  if (!commit.chunks.empty() && !commit.sync) {
    has_unsynced_chunks_ = true;
  }
  if (commit.sync && has_unsynced_chunks_) {
    // They are of earlier commits, and this one may be about them.
    Status synced = co_await Sync();
    if (!synced.ok()) {
      co_return Failed(std::move(synced));
    }
  }
  CommitResult result;
  std::vector<Bytes> pks;
  for (const Txn& txn : commit.txns) {
    pks.push_back(txn.pk);
  }
  if (commit.txns.size() == 1) {
    result = co_await SubmitOne(std::move(commit.txns[0]), commit.sync, deadline);
  } else if (commit.txns.size() > 1) {
    result = co_await SubmitMany(std::move(commit.txns), commit.sync, deadline);
  }
  result.degraded |= chunks_degraded;
  // Without a majority nothing goes: what the other side has may refer to it.
  if (result.status.ok() && !result.degraded && !commit.drops.empty()) {
    DropJob job;
    job.pks = std::move(pks);
    job.states = result.states;
    job.drops = std::move(commit.drops);
    job.stamp = drop_stamp;
    co_await drops_.Do(std::move(job));
  }
  co_return result;
}

Task<CommitResult> ClusterClient::SubmitAs(Txn txn, OpId op, bool sync, int64_t deadline,
                                           const Undecided* undecided) {
  watcher_.Used(txn.pk);
  const Bytes pk = txn.pk;
  replication::Without without;
  without.available = options_.available;
  without.skip_asserts = undecided != nullptr && undecided->beside ? 1 : 0;  // AssertNoIntent
  without.first = co_await MergeIfBranched(pk, deadline);
  const ItemCache::Ticket ticket = recent_.Begin(pk, parts_.clock->MonotonicMicros());
  const std::vector<Write> writes = txn.writes;
  CommitResult result =
      co_await coordinator_.Submit(std::move(txn), op, true, sync,
                                   std::max<int64_t>(Left(deadline), 1), SettledBelow(), without);
  if (result.degraded) {
    branched_.Note(pk);
  }
  // What belongs to a commit over several pks is not all that is to be written.
  const bool is_all = std::none_of(writes.begin(), writes.end(),
                                   [](const Write& write) { return write.ck[0] == kIntentTag; });
  if (result.status.ok() && result.time != 0 && is_all) {
    recent_.Wrote(pk, ticket, result.states[0], writes, result.versions[0], result.time);
  } else {
    recent_.Drop(pk);
  }
  co_return result;
}

Task<CommitResult> ClusterClient::SubmitOnce(Txn txn, bool sync, int64_t deadline,
                                             const Undecided* undecided) {
  const OpId op = NewOp();
  const Bytes pk = txn.pk;
  CommitResult result = co_await SubmitAs(std::move(txn), op, sync, deadline, undecided);
  if (!result.degraded || !result.status.ok() || !branched_.Keep(pk, op.sequence)) {
    Settle(op);
  }
  co_return result;
}

OpId ClusterClient::NewOp() {
  std::lock_guard lock(ops_mutex_);
  open_ops_.insert(++last_sequence_);
  return {session_, last_sequence_};
}

void ClusterClient::Settle(OpId op) {
  std::lock_guard lock(ops_mutex_);
  open_ops_.erase(op.sequence);
}

uint64_t ClusterClient::SettledBelow() {
  std::lock_guard lock(ops_mutex_);
  return open_ops_.empty() ? last_sequence_ + 1 : *open_ops_.begin();
}

// ---- one pk ----------------------------------------------------------------

Task<CommitResult> ClusterClient::SubmitOne(Txn txn, bool sync, int64_t deadline) {
  txn.asserts.insert(txn.asserts.begin(), AssertNoIntent());
  Undecided undecided;
  while (true) {
    Txn copy = txn;
    CommitResult result = co_await SubmitOnce(std::move(copy), sync, deadline, &undecided);
    if (!MetIntent(result)) {
      if (result.status.code() == Code::kConflict) {
        --result.failed_assert;
      }
      co_return result;
    }
    // Refused for good, so the next attempt is another operation.
    Bytes pk = txn.pk;
    Status cleared = co_await ClearIntents(std::move(pk), &undecided, deadline);
    if (!cleared.ok()) {
      co_return Failed(std::move(cleared));
    }
  }
}

// ---- several pks -----------------------------------------------------------

Task<CommitResult> ClusterClient::SubmitMany(std::vector<Txn> txns, bool sync, int64_t deadline) {
  Undecided undecided;
  while (true) {
    auto result = co_await TryMany(&txns, sync, deadline, &undecided);
    if (result.has_value()) {
      co_return std::move(*result);
    }
    if (Left(deadline) <= 0) {
      co_return Failed(Status::Unavailable("others change the same directories all the time"));
    }
    co_await Pause();  // of random length: two that are in each other's way must not go on so
  }
}

Task<std::optional<CommitResult>> ClusterClient::TryMany(const std::vector<Txn>* txns, bool sync,
                                                         int64_t deadline, Undecided* undecided) {
  const OpId op = NewOp();
  const Bytes& deciding_pk = txns->front().pk;
  std::vector<Task<CommitResult>> preparing;
  for (size_t i = 1; i < txns->size(); ++i) {
    preparing.push_back(
        SubmitOnce(Prepare((*txns)[i], deciding_pk, op), sync, deadline, undecided));
  }
  std::vector<CommitResult> prepared;
  bool degraded = false;
  for (Task<CommitResult>& task : preparing) {
    prepared.push_back(co_await task);
    degraded |= prepared.back().degraded;
  }
  std::optional<CommitResult> refused;
  std::optional<Bytes> met;  // a pk that somebody else is changing
  for (size_t i = 0; i < prepared.size() && !refused.has_value(); ++i) {
    CommitResult& one = prepared[i];
    if (one.status.ok()) {
      continue;
    }
    if (MetIntent(one)) {
      met = (*txns)[i + 1].pk;
    } else if (one.status.code() == Code::kConflict) {
      one.failed_txn = i + 1;
      --one.failed_assert;
      refused = std::move(one);
    } else {
      // It has not been decided, and now never will be.
      refused = Failed(one.status.code() == Code::kOutcomeUnknown
                           ? Status::Unavailable(one.status.message())
                           : one.status);
    }
  }
  if (refused.has_value() || met.has_value()) {
    Settle(op);  // it will not be submitted, so it is as good as aborted
    co_await WithdrawAll(txns, op, deadline);
    if (refused.has_value()) {
      co_return refused;
    }
    Status cleared = co_await ClearIntents(std::move(*met), undecided, deadline);
    if (!cleared.ok()) {
      co_return Failed(std::move(cleared));
    }
    co_return std::nullopt;
  }

  Txn decide = txns->front();
  decide.asserts.insert(decide.asserts.begin(), AssertNoIntent());
  CommitResult result = co_await SubmitAs(std::move(decide), op, sync, deadline, undecided);
  if (result.status.code() == Code::kOutcomeUnknown) {
    co_return result;  // whoever meets the intents asks what became of it, so it is not settled
  }
  if (!result.status.ok()) {
    Settle(op);
    co_await WithdrawAll(txns, op, deadline);
    if (!MetIntent(result)) {
      if (result.status.code() == Code::kConflict) {
        --result.failed_assert;
      }
      co_return result;
    }
    Bytes pk = deciding_pk;
    Status cleared = co_await ClearIntents(std::move(pk), undecided, deadline);
    if (!cleared.ok()) {
      co_return Failed(std::move(cleared));
    }
    co_return std::nullopt;
  }
  // It has happened, whatever becomes of the rest of this.
  bool keep = result.degraded;
  result.degraded |= degraded;
  std::vector<Task<CommitResult>> carrying;
  for (size_t i = 1; i < txns->size(); ++i) {
    Intent intent;
    intent.op = op;
    intent.txn = (*txns)[i];
    carrying.push_back(SubmitOnce(Carry((*txns)[i].pk, intent), sync, deadline));
  }
  bool all_carried = true;
  for (Task<CommitResult>& task : carrying) {
    const CommitResult carried = co_await task;
    result.degraded |= carried.degraded;
    result.states.push_back(carried.states.empty() ? replication::PkState() : carried.states[0]);
    all_carried &= carried.status.ok() || carried.status.code() == Code::kConflict;
    // Zero where somebody else was faster.
    result.versions.push_back(carried.versions.empty() ? VersionId{} : carried.versions[0]);
  }
  keep = keep && branched_.Keep(deciding_pk, op.sequence);
  if (all_carried && !keep) {  // else there are intents left, whose finders ask
    Settle(op);
  }
  co_return result;
}

Task<void> ClusterClient::WithdrawAll(const std::vector<Txn>* txns, OpId op, int64_t deadline) {
  std::vector<Task<CommitResult>> withdrawing;
  for (size_t i = 1; i < txns->size(); ++i) {
    withdrawing.push_back(SubmitOnce(Withdraw((*txns)[i].pk, op), false, deadline));
  }
  for (Task<CommitResult>& task : withdrawing) {
    (void)(co_await task).status.ok();  // what stays is aborted by whoever meets it
  }
}

// ---- intents that are met --------------------------------------------------

Task<Result<std::vector<Intent>>> ClusterClient::IntentsOf(const pb::Page* page) {
  std::vector<Intent> found;
  for (const pb::Entry& entry : page->entries()) {
    KVFS_CO_ASSIGN_OR_RETURN(const versioning::VersionedValue value,
                             versioning::Decode(entry.value()));
    if (IsAbsent(value)) {
      continue;
    }
    KVFS_CO_ASSIGN_OR_RETURN(Intent intent, DecodeIntent(versioning::Winner(value.siblings).value));
    found.push_back(std::move(intent));
  }
  co_return found;
}

Task<Result<ClusterClient::Decision>> ClusterClient::DecisionOf(const Intent* intent,
                                                                int64_t deadline) {
  pb::ReadRequest request;
  request.set_pk(intent->deciding_pk);
  request.add_cks(replication::OutcomeCk(intent->op));
  KVFS_CO_ASSIGN_OR_RETURN(const pb::ReadReply reply, co_await Query(std::move(request), deadline));
  if (reply.entries().empty()) {
    co_return Decision::kOpen;
  }
  KVFS_CO_ASSIGN_OR_RETURN(const replication::Outcome outcome,
                           replication::DecodeOutcome(reply.entries(0).value()));
  co_return outcome.conflict ? Decision::kAborted : Decision::kHappened;
}

Task<Result<ClusterClient::Decision>> ClusterClient::DecideNow(const Intent* intent,
                                                               int64_t deadline) {
  // Not the first attempt: that is its owner's. So the refusal is recorded, and he learns it.
  Txn abort = Abort(intent->deciding_pk);
  const CommitResult result =
      co_await coordinator_.Submit(std::move(abort), intent->op, false, false, Left(deadline));
  if (result.status.ok()) {
    co_return Decision::kHappened;
  }
  if (result.status.code() == Code::kConflict) {
    co_return Decision::kAborted;
  }
  co_return Status::Unavailable(result.status.message());
}

Task<Status> ClusterClient::Carried(Bytes pk, const Intent* intent, int64_t deadline) {
  Txn carry = Carry(pk, *intent);
  const CommitResult carried = co_await SubmitOnce(std::move(carry), false, deadline);
  if (carried.status.ok()) {
    // Done by this client, so the nodes tell everybody else; but somebody else's wish.
    Change change;
    change.pk = std::move(pk);
    for (const Write& write : intent->txn.writes) {
      change.cks.push_back(write.ck);
    }
    watcher_.Tell({std::move(change)});
  }
  if (carried.status.code() == Code::kConflict) {
    co_return Status::Ok();  // somebody else was faster
  }
  co_return carried.status.code() == Code::kOutcomeUnknown
      ? Status::Unavailable(carried.status.message())
      : carried.status;
}

Task<Status> ClusterClient::ClearIntents(Bytes pk, Undecided* undecided, int64_t deadline) {
  pb::ReadRequest request;
  request.set_pk(pk);
  pb::Range* const range = request.add_ranges();
  range->set_begin(Bytes(1, kIntentTag));
  range->set_end(Bytes(1, kIntentTag + 1));
  range->set_limit(1000);
  while (true) {
    pb::ReadRequest copy = request;
    KVFS_CO_ASSIGN_OR_RETURN(const pb::ReadReply reply, co_await Query(std::move(copy), deadline));
    if (reply.pages().empty() || reply.pages(0).entries().empty()) {
      co_return Status::Ok();
    }
    KVFS_CO_ASSIGN_OR_RETURN(const auto intents, co_await IntentsOf(&reply.pages(0)));
    bool is_open = false;
    for (const Intent& intent : intents) {
      KVFS_CO_ASSIGN_OR_RETURN(Decision decision, co_await DecisionOf(&intent, deadline));
      const int64_t now = parts_.clock->MonotonicMicros();
      const int64_t since = undecided->since.emplace(IntentCk(intent.op), now).first->second;
      if (decision == Decision::kOpen && now - since >= options_.patience_micros) {
        if (reply.degraded()) {
          undecided->beside = true;  // who decides it may be on the other side
          continue;
        }
        KVFS_CO_ASSIGN_OR_RETURN(decision, co_await DecideNow(&intent, deadline));
      }
      if (decision == Decision::kHappened) {
        Status carried = co_await Carried(pk, &intent, deadline);
        KVFS_CO_RETURN_IF_ERROR(carried);
      } else if (decision == Decision::kAborted) {
        Txn withdraw = Withdraw(pk, intent.op);
        const CommitResult withdrawn = co_await SubmitOnce(std::move(withdraw), false, deadline);
        if (!withdrawn.status.ok() && withdrawn.status.code() != Code::kConflict) {
          co_return Status::Unavailable(withdrawn.status.message());
        }
      } else {
        is_open = true;
      }
    }
    if (undecided->beside && !is_open) {
      co_return Status::Ok();
    }
    if (Left(deadline) <= 0) {
      co_return Status::Unavailable("others change the same directories all the time");
    }
    if (is_open) {
      co_await Pause();
    }
  }
}

}  // namespace kvfs::client
