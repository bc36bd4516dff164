#include "kvcore/replication/replicated_primary.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "kvcore/replication/expiry.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/store_items.h"

namespace kvfs::replication {
namespace {

using Verdict = Quorum::Verdict;

// Looking for outcomes to forget costs a scan, so it is not done with every transaction: with every
// 16th about, whatever pattern there is in the sequences that come to one pk.
bool IsTimeToExpire(uint64_t sequence) {
  constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;  // Knuth's multiplicative hash
  return (sequence * kGoldenRatio) >> 60 == 0;
}

Status Deposed() { return Status::Unavailable("another node is the primary now"); }
Status NoMajority() { return Status::Unavailable("a majority of the homes cannot be reached"); }
bool IsNoMajority(const Status& status) { return status.message() == NoMajority().message(); }
Status Closing() { return Status::Unavailable("the node is stopping"); }
Status NotReached(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDenied:
      return Deposed();
    case Verdict::kFailed:
      return NoMajority();
    default:
      return Status::Unavailable("the layout of the cluster has changed meanwhile");
  }
}

Status Unknown() {
  return {Code::kOutcomeUnknown, "no majority of the homes has answered; it may happen yet"};
}

pb::SubmitReply ReplyOf(const Result<Outcome>& decided) {
  pb::SubmitReply reply;
  if (decided.ok()) {
    reply.set_decided(true);
    reply.mutable_outcome()->set_conflict(decided->conflict);
    reply.mutable_outcome()->set_failed_assert(decided->failed_assert);
    reply.mutable_outcome()->set_version_high(decided->version.high);
    reply.mutable_outcome()->set_version_low(decided->version.low);
    return reply;
  }
  reply.set_unknown(decided.status().code() == Code::kOutcomeUnknown);
  reply.set_code(static_cast<uint32_t>(decided.status().code()));
  reply.set_message(decided.status().message());
  reply.set_no_majority(IsNoMajority(decided.status()));
  return reply;
}

pb::ReadReply ReadError(const Status& status) {
  pb::ReadReply reply;
  reply.set_code(static_cast<uint32_t>(status.code()));
  reply.set_message(status.message());
  reply.set_no_majority(IsNoMajority(status));
  return reply;
}

}  // namespace

struct ReplicatedPrimary::Key {
  explicit Key(env::Scheduler* scheduler) : mutex(scheduler) {}

  env::AsyncMutex mutex;
  std::atomic<int> waiting{0};
  // What is known of the pk, and under which epoch; guarded by `mutex`.
  std::optional<PkState> settled;
  Epoch settled_under;
  const std::shared_ptr<Tail> tail = std::make_shared<Tail>();
};

struct ReplicatedPrimary::Partition {
  explicit Partition(env::Scheduler* scheduler) : gaining(scheduler) {}

  env::AsyncMutex gaining;  // one attempt at a reign at a time; taken before `mutex`
  std::mutex mutex;         // guards the rest
  std::optional<Epoch> reign;
  uint64_t version = 0;         // of the layouts by which the reign was gained
  uint64_t highest_number = 0;  // seen elsewhere
  std::map<Bytes, std::shared_ptr<Key>> keys;
};

ReplicatedPrimary::ReplicatedPrimary(const ReplicatedPrimaryOptions& options, const Parts& parts)
    : options_(options),
      parts_(parts),
      lagging_(options.max_hints),
      pusher_(
          options.pusher, options.self, parts.peers, parts.scheduler,
          [this](const Reign& reign, const Epoch& promised) { EndReign(reign, promised); },
          [this](env::NodeId home, const Bytes& pk) { lagging_.Missed(home, pk); },
          [this](uint32_t partition) { return KnowsOfNoMajority(partition); }),
      tasks_(parts.scheduler) {
  const size_t count = size_t{1} << options.partition_bits;
  for (size_t i = 0; i < count; ++i) {
    partitions_.push_back(std::make_unique<Partition>(parts.scheduler));
  }
}

ReplicatedPrimary::~ReplicatedPrimary() = default;

Task<void> ReplicatedPrimary::Close() {
  closing_ = true;
  co_await pusher_.Close();
  co_await tasks_.Drain();
}

// ---- reigns ----------------------------------------------------------------

bool ReplicatedPrimary::Reigns(const Reign& reign) {
  Partition& here = *partitions_[reign.partition];
  std::lock_guard lock(here.mutex);
  return here.reign == reign.epoch && here.version == parts_.placement->Version();
}

bool ReplicatedPrimary::HasReign(uint32_t partition) {
  Partition& here = *partitions_[partition];
  std::lock_guard lock(here.mutex);
  return here.reign.has_value() && here.version == parts_.placement->Version();
}

void ReplicatedPrimary::EndReign(const Reign& reign, const Epoch& promised) {
  Partition& here = *partitions_[reign.partition];
  std::lock_guard lock(here.mutex);
  here.highest_number = std::max(here.highest_number, promised.number);
  if (here.reign == reign.epoch) {
    here.reign.reset();
  }
}

Task<Result<Epoch>> ReplicatedPrimary::EnsureReign(uint32_t partition) {
  Partition& here = *partitions_[partition];
  auto gaining = co_await here.gaining.Lock();
  Electorate electorate = parts_.placement->ElectorateOf(partition);
  const uint64_t version = electorate.version;
  if (!electorate.Includes(options_.self)) {
    co_return Status::Unavailable("this node is no home of the partition");
  }
  KVFS_CO_ASSIGN_OR_RETURN(const Epoch promised, co_await parts_.home->Promised(partition));
  Epoch epoch;
  {
    std::lock_guard lock(here.mutex);
    if (here.reign.has_value() && promised <= *here.reign && here.version == version) {
      co_return *here.reign;
    }
    here.reign.reset();
    epoch = {std::max(promised.number, here.highest_number) + 1, options_.self};
  }
  pb::PromiseRequest request;
  request.set_partition(partition);
  *request.mutable_epoch() = ToProto(epoch);
  Bytes body = request.SerializeAsString();
  std::vector<env::NodeId> homes = electorate.homes;
  const auto round =
      std::make_shared<Round>(std::move(electorate), parts_.placement, parts_.scheduler);
  const Reign reign{partition, epoch};
  const Verdict verdict =
      co_await pusher_.Ask(std::move(homes), reign, Method::kPromise, std::move(body), round);
  if (verdict != Verdict::kReached) {
    // A home may have promised this epoch and not been heard; the next attempt takes another.
    EndReign(reign, epoch);
    co_return NotReached(verdict);
  }
  std::lock_guard lock(here.mutex);
  here.reign = epoch;
  here.version = version;
  co_return epoch;
}

std::shared_ptr<ReplicatedPrimary::Key> ReplicatedPrimary::KeyOf(uint32_t partition,
                                                                 const Bytes& pk) {
  Partition& here = *partitions_[partition];
  std::lock_guard lock(here.mutex);
  if (here.keys.size() >= options_.max_keys && !here.keys.contains(pk)) {
    // Those nobody is using are settled again when they are asked for.
    std::erase_if(here.keys, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  std::shared_ptr<Key>& key = here.keys[pk];
  if (key == nullptr) {
    key = std::make_shared<Key>(parts_.scheduler);
  }
  return key;
}

Task<Result<ReplicatedPrimary::Hold>> ReplicatedPrimary::LockSettled(Bytes pk) {
  Hold hold;
  hold.reign.partition = PartitionAt(pk);
  KVFS_CO_ASSIGN_OR_RETURN(hold.reign.epoch, co_await EnsureReign(hold.reign.partition));
  hold.key = KeyOf(hold.reign.partition, pk);
  if (hold.key->waiting.fetch_add(1) >= options_.max_waiting) {
    hold.key->waiting.fetch_sub(1);
    co_return Status::Busy("too many wait for the same partition key");
  }
  hold.guard = co_await hold.key->mutex.Lock();
  hold.key->waiting.fetch_sub(1);
  if (closing_) {
    co_return Closing();
  }
  if (!Reigns(hold.reign)) {
    co_return Deposed();
  }
  if (!hold.key->settled.has_value() || hold.key->settled_under != hold.reign.epoch) {
    Status settled = co_await Settle(hold, pk);
    KVFS_CO_RETURN_IF_ERROR(settled);
  }
  co_return std::move(hold);
}

// ---- what predecessors left ------------------------------------------------

Task<Status> ReplicatedPrimary::Settle(const Hold& hold, Bytes pk) {
  const Electorate electorate = parts_.placement->ElectorateOf(hold.reign.partition);
  pb::StateRequest request;
  request.set_pk(pk);
  *request.mutable_epoch() = ToProto(hold.reign.epoch);
  Bytes body = request.SerializeAsString();
  const auto round = std::make_shared<Round>(electorate, parts_.placement, parts_.scheduler);
  const Verdict verdict =
      co_await pusher_.Ask(electorate.homes, hold.reign, Method::kState, std::move(body), round);
  if (verdict != Verdict::kReached) {
    co_return NotReached(verdict);
  }
  const std::map<env::NodeId, PkState> states = round->Granted();
  KVFS_CO_ASSIGN_OR_RETURN(const PkState own, parts_.home->LocalState(pk));
  PkState highest = own;
  env::NodeId holder = options_.self;
  for (const auto& [home, state] : states) {
    if (state > highest) {
      highest = state;
      holder = home;
    }
  }
  const bool is_decided = electorate.HasMajority([&](env::NodeId home) {
    const auto told = states.find(home);
    return told != states.end() && told->second == highest;
  });
  Status committed;
  PkState settled = highest;
  if (own != highest || !is_decided) {
    // Nobody may ever have been told of it, or somebody may have: from now on it is in force, under
    // this epoch, so that no older state found later outranks it.
    settled = After(highest, hold.reign.epoch);
    if (own != highest) {
      KVFS_CO_ASSIGN_OR_RETURN(
          const pb::HomeReply installed,
          co_await parts_.home->Install(pk, hold.reign.epoch, holder, highest, settled, false));
      if (!installed.granted() || !installed.applied()) {
        EndReign(hold.reign, FromProto(installed.promised()));
        co_return Deposed();
      }
    }
    pb::ApplyRequest stamp;
    stamp.set_pk(pk);
    *stamp.mutable_epoch() = ToProto(hold.reign.epoch);
    *stamp.mutable_previous() = ToProto(highest);
    *stamp.mutable_next() = ToProto(settled);
    committed = co_await Replicate(hold, std::move(stamp));
    KVFS_CO_RETURN_IF_ERROR(committed);
  }
  hold.key->settled = settled;
  hold.key->settled_under = hold.reign.epoch;
  co_return committed;
}

Task<Status> ReplicatedPrimary::Confirm(const Hold& hold) {
  Electorate electorate = parts_.placement->ElectorateOf(hold.reign.partition);
  pb::PromiseRequest request;
  request.set_partition(hold.reign.partition);
  *request.mutable_epoch() = ToProto(hold.reign.epoch);
  Bytes body = request.SerializeAsString();
  std::vector<env::NodeId> homes = electorate.homes;
  const auto round =
      std::make_shared<Round>(std::move(electorate), parts_.placement, parts_.scheduler);
  const Verdict verdict =
      co_await pusher_.Ask(std::move(homes), hold.reign, Method::kPromise, std::move(body), round);
  co_return verdict == Verdict::kReached ? Status::Ok() : NotReached(verdict);
}

// ---- transactions ----------------------------------------------------------

Task<Status> ReplicatedPrimary::SyncAtMajority(const Hold& hold, Bytes pk) {
  KVFS_CO_ASSIGN_OR_RETURN(const PkState state, parts_.home->LocalState(pk));
  pb::ApplyRequest nothing;
  nothing.set_pk(pk);
  *nothing.mutable_epoch() = ToProto(hold.reign.epoch);
  *nothing.mutable_previous() = ToProto(state);
  *nothing.mutable_next() = ToProto(After(state, hold.reign.epoch));
  nothing.set_sync(true);
  co_return co_await Replicate(hold, std::move(nothing));
}

Task<Status> ReplicatedPrimary::Replicate(const Hold& hold, pb::ApplyRequest request) {
  Electorate electorate = parts_.placement->ElectorateOf(hold.reign.partition);
  const auto entry = std::make_shared<const pb::ApplyRequest>(std::move(request));
  // Here first: what cannot be written here is refused before anybody has it.
  pb::ApplyRequest own = *entry;
  const auto applied = co_await parts_.home->Apply(std::move(own));
  if (!applied.ok()) {
    const auto state = parts_.home->LocalState(entry->pk());
    if (state.ok() && *state == FromProto(entry->previous())) {
      co_return applied.status();
    }
    // It lies here, but could not be made durable: whoever settles the pk next takes it up.
    hold.key->settled.reset();
    co_return Unknown();
  }
  if (!applied->granted() || !applied->applied()) {
    EndReign(hold.reign, FromProto(applied->promised()));
    co_return Deposed();
  }
  hold.key->settled.reset();  // until a majority has it
  std::vector<env::NodeId> homes = electorate.homes;
  const auto round =
      std::make_shared<Round>(std::move(electorate), parts_.placement, parts_.scheduler);
  const Verdict verdict =
      co_await pusher_.Push(std::move(homes), hold.reign, entry, hold.key->tail, round);
  if (verdict != Verdict::kReached) {
    co_return Unknown();
  }
  hold.key->settled = FromProto(entry->next());
  co_return Status::Ok();
}

Result<Outcome> ReplicatedPrimary::Recorded(const pb::SubmitRequest& request) {
  const OpId op{request.op().session(), request.op().sequence()};
  KVFS_ASSIGN_OR_RETURN(const Bytes stored, parts_.store->Get(OutcomeKey(request.pk(), op)));
  return DecodeOutcome(stored);
}

Task<Result<Outcome>> ReplicatedPrimary::Decide(const Hold& hold, pb::SubmitRequest request,
                                                versioning::HybridTime* time) {
  Result<Outcome> recorded = Recorded(request);
  if (recorded.ok()) {
    // What lies here may come from a later primary that no majority has followed yet.
    Status confirmed;
    if (request.sync()) {
      confirmed = co_await SyncAtMajority(hold, request.pk());
    } else {
      confirmed = co_await Confirm(hold);
    }
    KVFS_CO_RETURN_IF_ERROR(confirmed);
    co_return recorded;
  }
  if (recorded.status().code() != Code::kNotFound) {
    co_return recorded.status();
  }
  const uint64_t session = request.op().session();
  KVFS_CO_ASSIGN_OR_RETURN(const uint64_t expired_below,
                           ExpiredBelow(parts_.store, request.pk(), session));
  if (request.op().sequence() < expired_below) {
    // A request that was under way for very long, or one about what nobody may ask for: it does not
    // happen now.
    Status confirmed = co_await Confirm(hold);
    KVFS_CO_RETURN_IF_ERROR(confirmed);
    Outcome expired;
    expired.conflict = true;
    co_return expired;
  }
  KVFS_CO_ASSIGN_OR_RETURN(const uint64_t counter, co_await parts_.dots->Take(1));
  const Txn txn = TxnOf(request);
  TxnContext context;
  context.place = PlaceOf(txn.pk);
  context.work_place = FirstPlace(hold.reign.partition, options_.partition_bits);
  context.dot = {options_.storage_epoch, counter};
  context.time = parts_.hybrid_clock->Now(parts_.clock->WallNanos() / 1'000'000);
  context.epoch = hold.reign.epoch;
  context.keep_state = true;
  StoreItems items(parts_.store);
  KVFS_CO_ASSIGN_OR_RETURN(TxnPlan plan, PlanTxn(txn, context, &items));

  Outcome outcome;
  pb::ApplyRequest apply;
  const Bytes prefix = PkPrefix(txn.pk);
  if (plan.failed_assert.has_value()) {
    outcome.conflict = true;
    outcome.failed_assert = static_cast<uint32_t>(*plan.failed_assert);
    if (request.attempt() == 1) {
      Status confirmed = co_await Confirm(hold);
      KVFS_CO_RETURN_IF_ERROR(confirmed);
      co_return outcome;
    }
    // An earlier attempt may still be under way; it must find this answer, not try again.
    KVFS_CO_ASSIGN_OR_RETURN(plan.previous, parts_.home->LocalState(txn.pk));
    plan.next = After(plan.previous, hold.reign.epoch);
  } else {
    outcome.version = plan.version;
    plan.writes.pop_back();  // the state: every home writes its own
    ToEntries(plan.writes, prefix.size(), apply.mutable_entries());
    if (txn.set_strong.has_value()) {
      pb::Entry* const strong = apply.add_entries();
      strong->set_ck(kStrongCk);
      strong->set_erase(!*txn.set_strong);
    }
  }
  pb::Entry* const record = apply.add_entries();
  record->set_ck(
      OutcomeKey(txn.pk, {request.op().session(), request.op().sequence()}).substr(prefix.size()));
  record->set_value(EncodeOutcome(outcome));
  if (request.settled() > expired_below && IsTimeToExpire(request.op().sequence())) {
    KVFS_CO_RETURN_IF_ERROR(Expire(parts_.store, txn.pk, session,
                                   std::min(request.settled(), request.op().sequence()),
                                   apply.mutable_entries()));
  }
  apply.set_pk(txn.pk);
  *apply.mutable_epoch() = ToProto(hold.reign.epoch);
  *apply.mutable_previous() = ToProto(plan.previous);
  *apply.mutable_next() = ToProto(plan.next);
  apply.set_sync(request.sync());
  Status replicated = co_await Replicate(hold, std::move(apply));
  KVFS_CO_RETURN_IF_ERROR(replicated);
  if (parts_.changed && !outcome.conflict && !txn.writes.empty()) {
    std::vector<Bytes> cks;
    for (const Write& write : txn.writes) {
      cks.push_back(write.ck);
    }
    parts_.changed(txn.pk, cks, session);
  }
  // What is strong nobody is to go on by, but to ask for.
  KVFS_CO_ASSIGN_OR_RETURN(const bool is_strong, parts_.store->Contains(prefix + kStrongCk));
  *time = outcome.conflict || is_strong ? 0 : context.time;
  co_return outcome;
}

uint32_t ReplicatedPrimary::PartitionAt(ByteView pk) const {
  return PartitionOf(PlaceOf(pk), options_.partition_bits);
}

bool ReplicatedPrimary::KnowsOfNoMajority(uint32_t partition) {
  return parts_.watch != nullptr && parts_.watch->KnowsOfNone(partition);
}

Task<pb::SubmitReply> ReplicatedPrimary::Submit(pb::SubmitRequest request) {
  const uint32_t partition = PartitionAt(request.pk());
  if (KnowsOfNoMajority(partition)) {
    const Result<Outcome> refused = NoMajority();
    co_return ReplyOf(refused);
  }
  Bytes pk = request.pk();
  auto hold = co_await LockSettled(std::move(pk));
  versioning::HybridTime time = 0;
  Result<Outcome> decided = Unknown();
  if (hold.ok()) {
    decided = co_await Decide(*hold, std::move(request), &time);
  } else {
    decided = hold.status();
  }
  pb::SubmitReply reply = ReplyOf(decided);
  reply.set_time(time);
  if (!reply.decided() && KnowsOfNoMajority(partition)) {
    reply.set_no_majority(true);  // found out meanwhile
  }
  if (hold.ok() && hold->key->settled.has_value()) {
    *reply.mutable_state() = ToProto(*hold->key->settled);
  }
  co_return reply;
}

Task<pb::ReadReply> ReplicatedPrimary::Read(pb::ReadRequest request) {
  const uint32_t partition = PartitionAt(request.pk());
  if (KnowsOfNoMajority(partition)) {
    co_return ReadError(NoMajority());
  }
  Bytes pk = request.pk();
  auto hold = co_await LockSettled(std::move(pk));
  Status failed = hold.status();
  if (hold.ok()) {
    auto read = co_await parts_.home->Read(std::move(request));
    failed = read.status();
    if (read.ok()) {
      failed = co_await Confirm(*hold);
    }
    if (failed.ok()) {
      co_return std::move(*read);
    }
  }
  pb::ReadReply reply = ReadError(failed);
  reply.set_no_majority(reply.no_majority() || KnowsOfNoMajority(partition));
  co_return reply;
}

Task<void> ReplicatedPrimary::RepairLagging() {
  constexpr size_t kAtOnce = 64;
  while (true) {
    const bool goes_on =
        co_await env::SleepUnless(parts_.scheduler, options_.hints_every_micros, &closing_);
    if (!goes_on) {
      co_return;
    }
    for (const auto& [home, count] : lagging_.Counts()) {
      pb::ListRequest is_there;
      is_there.set_promised_only(true);
      Bytes body = is_there.SerializeAsString();
      const auto answer = co_await parts_.peers->Call(home, Method::kList, std::move(body),
                                                      options_.pusher.call_timeout_micros);
      for (const Bytes& pk : answer.ok() ? lagging_.Take(home, kAtOnce) : std::vector<Bytes>()) {
        Bytes copy = pk;
        co_await Repair(std::move(copy));
        if (!HasReign(PartitionAt(pk))) {
          lagging_.Missed(home, pk);  // it had promised a higher epoch: once more, under a new one
        }
      }
    }
  }
}

Task<void> ReplicatedPrimary::Repair(Bytes pk) {
  const uint32_t partition = PartitionAt(pk);
  if (!HasReign(partition) && parts_.placement->HomesOf(partition).front() != options_.self) {
    co_return;
  }
  Bytes copy = pk;
  auto hold = co_await LockSettled(std::move(copy));
  if (!hold.ok()) {
    co_return;
  }
  const Reign reign = hold->reign;
  const PkState state = *hold->key->settled;
  hold->guard.Release();  // what is written meanwhile makes the repair void, and repairs by itself
  const Electorate electorate = parts_.placement->ElectorateOf(partition);
  const std::function<bool()> are_homes = [placement = parts_.placement,
                                           version = electorate.version] {
    return placement->Version() == version;
  };
  std::vector<env::NodeId> homes = electorate.homes;
  co_await pusher_.Repair(std::move(homes), reign, std::move(pk), state, are_homes);
}

}  // namespace kvfs::replication
