// The part of ReplicatedPrimary that takes branches into the trunk: doc/replication.md, "Without
// a majority".
#include <utility>

#include "kvcore/replication/branch_merge.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/replicated_primary.h"
#include "kvcore/replication/store_items.h"

namespace kvfs::replication {

Task<Result<PkState>> ReplicatedPrimary::MergeHeld(const Hold& hold, Bytes pk,
                                                   const Branch& branch) {
  KVFS_CO_ASSIGN_OR_RETURN(const uint64_t counter, co_await parts_.dots->Take(1));
  MergeContext context;
  context.dot = {options_.storage_epoch, counter};
  context.now_millis = parts_.clock->WallNanos() / 1'000'000;
  context.time = parts_.hybrid_clock->Now(context.now_millis);
  StoreItems items(parts_.store);
  KVFS_CO_ASSIGN_OR_RETURN(const MergePlan plan, PlanMerge(branch, pk, context, &items));
  KVFS_CO_ASSIGN_OR_RETURN(const PkState previous, parts_.home->LocalState(pk));
  if (plan.is_merged) {
    Status confirmed = co_await Confirm(hold);
    KVFS_CO_RETURN_IF_ERROR(confirmed);
    co_return previous;
  }
  const PkState next = After(previous, hold.reign.epoch);
  const Bytes changed_pk = pk;
  std::vector<Bytes> changed;
  for (const auto& [ck, value] : branch.items) {
    if (CheckUserCk(ck).ok()) {
      changed.push_back(ck);
    }
  }
  pb::ApplyRequest apply;
  ToEntries(plan.writes, PkPrefix(pk).size(), apply.mutable_entries());
  apply.set_pk(std::move(pk));
  *apply.mutable_epoch() = ToProto(hold.reign.epoch);
  *apply.mutable_previous() = ToProto(previous);
  *apply.mutable_next() = ToProto(next);
  // What was synced in the branch is given up for this.
  apply.set_sync(true);
  Status replicated = co_await Replicate(hold, std::move(apply));
  KVFS_CO_RETURN_IF_ERROR(replicated);
  if (parts_.changed && !changed.empty()) {
    parts_.changed(changed_pk, changed, 0);
  }
  co_return next;
}

Task<pb::MergeReply> ReplicatedPrimary::Merge(Bytes pk, env::NodeId from) {
  const auto merge = [this](Bytes its_pk, env::NodeId holder) -> Task<Result<PkState>> {
    Bytes copy = its_pk;
    KVFS_CO_ASSIGN_OR_RETURN(const Hold hold, co_await LockSettled(std::move(copy)));
    copy = its_pk;
    const auto branch =
        co_await FetchBranch(parts_.peers, std::move(copy), holder, 2 * options_.max_branch_bytes,
                             options_.page_timeout_micros);
    if (branch.status().code() == Code::kNotFound) {
      co_return parts_.home->LocalState(its_pk);
    }
    if (!branch.ok()) {
      co_return branch.status();
    }
    co_return co_await MergeHeld(hold, std::move(its_pk), *branch);
  };
  const Result<PkState> merged = co_await merge(std::move(pk), from);
  pb::MergeReply reply;
  reply.set_merged(merged.ok());
  if (merged.ok()) {
    *reply.mutable_state() = ToProto(*merged);
  } else {
    reply.set_code(static_cast<uint32_t>(merged.status().code()));
    reply.set_message(merged.status().message());
  }
  co_return reply;
}

}  // namespace kvfs::replication
