#include "kvcore/replication/branches.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "kvcore/env/completion.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

constexpr size_t kPksAtOnce = 64;
constexpr int kMergeAttempts = 3;

Status HasMajority() { return Status::Unavailable("a majority of the homes answers"); }

}  // namespace

// The pushes of one transaction.
struct Branches::Pushes {
  Pushes(size_t its_open, env::Scheduler* scheduler) : open(its_open), over(scheduler) {}
  std::mutex mutex;
  size_t open;  // guarded by mutex
  const env::Completion<bool> over;

  void End() {
    std::lock_guard lock(mutex);
    if (--open == 0) {
      over.Set(true);
    }
  }
};

Branches::Branches(const BranchesOptions& options, const Parts& parts)
    : options_(options), parts_(parts), tasks_(parts.scheduler) {}

uint32_t Branches::PartitionAt(ByteView pk) const {
  return PartitionOf(PlaceOf(pk), options_.partition_bits);
}

std::vector<env::NodeId> Branches::OthersOf(uint32_t partition) const {
  std::vector<env::NodeId> others = parts_.placement->HomesOf(partition);
  std::erase(others, options_.self);
  return others;
}

Task<void> Branches::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

// ---- degraded requests -------------------------------------------------------

Task<Result<Home::TakenIn>> Branches::TakeIn(pb::SubmitRequest request) {
  const uint32_t partition = PartitionAt(request.pk());
  const std::vector<env::NodeId> homes = parts_.placement->HomesOf(partition);
  if (std::find(homes.begin(), homes.end(), options_.self) == homes.end()) {
    co_return Status::Unavailable("this node is no home of the partition");
  }
  const bool is_without = co_await parts_.watch->IsWithout(partition);
  if (!is_without) {
    co_return HasMajority();
  }
  uint64_t actor = 0;
  while (actor == 0) {
    actor = parts_.random->Next();
  }
  const versioning::HybridTime time =
      parts_.hybrid_clock->Now(parts_.clock->WallNanos() / 1'000'000);
  KVFS_CO_ASSIGN_OR_RETURN(auto taken,
                           co_await parts_.home->TakeIn(std::move(request), actor, time));
  if (!taken.is_decided) {
    pb::BranchPushRequest push = taken.push;
    co_await PushToAll(std::move(push));
  }
  co_return taken;
}

Task<pb::SubmitReply> Branches::Submit(pb::SubmitRequest request) {
  const Bytes pk = request.pk();
  const uint64_t session = request.op().session();
  std::vector<Bytes> cks;
  for (const pb::Entry& entry : request.entries()) {
    cks.push_back(entry.ck());
  }
  const auto taken = co_await TakeIn(std::move(request));
  if (parts_.changed && taken.ok() && !taken->outcome.conflict && !cks.empty()) {
    parts_.changed(pk, cks, session);
  }
  pb::SubmitReply reply;
  reply.set_degraded(true);
  if (!taken.ok()) {
    reply.set_unknown(taken.status().code() == Code::kOutcomeUnknown);
    reply.set_code(static_cast<uint32_t>(taken.status().code()));
    reply.set_message(taken.status().message());
    co_return reply;
  }
  reply.set_decided(true);
  reply.mutable_outcome()->set_conflict(taken->outcome.conflict);
  reply.mutable_outcome()->set_failed_assert(taken->outcome.failed_assert);
  reply.mutable_outcome()->set_version_high(taken->outcome.version.high);
  reply.mutable_outcome()->set_version_low(taken->outcome.version.low);
  co_return reply;
}

Task<pb::ReadReply> Branches::Read(pb::ReadRequest request) {
  const bool is_without = co_await parts_.watch->IsWithout(PartitionAt(request.pk()));
  Result<pb::ReadReply> read = HasMajority();
  if (is_without) {
    read = co_await parts_.home->ReadView(std::move(request));
  }
  if (read.ok()) {
    co_return std::move(*read);
  }
  pb::ReadReply failed;
  failed.set_degraded(true);
  failed.set_code(static_cast<uint32_t>(read.status().code()));
  failed.set_message(read.status().message());
  co_return failed;
}

Task<void> Branches::PushToAll(pb::BranchPushRequest push) {
  const std::vector<env::NodeId> others = OthersOf(PartitionAt(push.pk()));
  if (others.empty()) {
    co_return;
  }
  const auto pushes = std::make_shared<Pushes>(others.size(), parts_.scheduler);
  const auto shared = std::make_shared<const pb::BranchPushRequest>(std::move(push));
  for (const env::NodeId home : others) {
    tasks_.Start(PushTo(home, shared, pushes));
  }
  (void)co_await pushes->over.Get();
}

Task<void> Branches::PushTo(env::NodeId home, std::shared_ptr<const pb::BranchPushRequest> push,
                            std::shared_ptr<Pushes> pushes) {
  Bytes body = push->SerializeAsString();
  const auto answer =
      co_await parts_.watch->Call(home, Method::kBranchPush, std::move(body), options_.push_micros);
  const auto reply =
      answer.ok() ? Parse<pb::BranchReply>(*answer) : Result<pb::BranchReply>(answer.status());
  if (reply.ok() && !reply->held()) {
    pb::BranchInstallRequest whole;
    whole.set_pk(push->pk());
    whole.set_sync(push->sync());
    body = whole.SerializeAsString();
    const auto installed = co_await parts_.watch->Call(home, Method::kBranchInstall,
                                                       std::move(body), options_.install_micros);
    (void)installed.ok();  // it has it, or is as good as away
  }
  pushes->End();
}

// ---- afterwards --------------------------------------------------------------

Task<Result<std::pair<env::NodeId, PkState>>> Branches::MergeAtPrimary(Bytes pk) {
  pb::MergeRequest request;
  request.set_pk(pk);
  Status last = Status::Unavailable("no home of the partition was asked");
  for (const env::NodeId home : parts_.placement->HomesOf(PartitionAt(pk))) {
    Bytes body = request.SerializeAsString();
    const auto answer =
        co_await parts_.watch->Call(home, Method::kMerge, std::move(body), options_.merge_micros);
    const auto reply =
        answer.ok() ? Parse<pb::MergeReply>(*answer) : Result<pb::MergeReply>(answer.status());
    if (!reply.ok()) {
      last = reply.status();
    } else if (reply->merged()) {
      co_return std::pair<env::NodeId, PkState>(home, FromProto(reply->state()));
    } else {
      last = Status(static_cast<Code>(reply->code()), reply->message());
    }
  }
  co_return Status::Unavailable(last.message());
}

Task<Status> Branches::MergeNow(Bytes pk) {
  for (int attempt = 0; attempt < kMergeAttempts; ++attempt) {
    KVFS_CO_ASSIGN_OR_RETURN(const bool holds, parts_.home->HoldsBranch(pk));
    if (!holds) {
      co_return Status::Ok();
    }
    if (parts_.watch->KnowsOfNone(PartitionAt(pk))) {
      co_return Status::Unavailable("a majority of the homes cannot be reached");
    }
    const bool is_home = parts_.placement->ElectorateOf(PartitionAt(pk)).Includes(options_.self);
    KVFS_CO_ASSIGN_OR_RETURN(const auto merged, co_await MergeAtPrimary(pk));
    KVFS_CO_ASSIGN_OR_RETURN(const bool is_gone,
                             co_await parts_.home->ForgetBranch(pk, merged.second, is_home));
    if (is_gone) {
      co_return Status::Ok();
    }
    // This home's copy of the trunk is behind, or the branch has grown.
    pb::RepairRequest repair;
    repair.set_pk(pk);
    Bytes body = repair.SerializeAsString();
    const auto repaired = co_await parts_.watch->Call(merged.first, Method::kRepair,
                                                      std::move(body), options_.merge_micros);
    (void)repaired.ok();  // else the next attempt fails too
  }
  co_return Status::Unavailable("the branch cannot be given up yet");
}

Task<void> Branches::MergeAll() {
  Bytes after;
  while (true) {
    if (after.empty()) {
      const bool goes_on =
          co_await env::SleepUnless(parts_.scheduler, options_.merge_every_micros, &closing_);
      if (!goes_on) {
        co_return;
      }
    }
    const auto pks = parts_.home->BranchedPks(after, kPksAtOnce);
    if (!pks.ok() || pks->empty() || closing_) {
      after.clear();
      if (closing_) {
        co_return;
      }
      continue;  // a store that cannot be read is told of by those who use it
    }
    after = pks->back();
    for (size_t next = 0; next < pks->size();) {
      std::vector<Task<Status>> merges;
      for (; next < pks->size() && merges.size() < options_.merges_at_once; ++next) {
        Bytes pk = (*pks)[next];
        merges.push_back(MergeNow(std::move(pk)));
      }
      for (Task<Status>& merge : merges) {
        (void)(co_await merge).ok();  // else in the next round
      }
    }
  }
}

}  // namespace kvfs::replication
