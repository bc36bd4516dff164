#include "kvcore/replication/coordinator.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "kvcore/env/completion.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {

namespace {
// How often who holds a branch is asked before anybody else is.
constexpr int kAttemptsAtFirst = 10;
}  // namespace

// One read of all homes, shared by whoever waits and those that bring the answers.
struct Coordinator::Reading {
  Reading(Electorate electorate, ReadLevel level, env::Scheduler* scheduler)
      : round(std::move(electorate), level), over(scheduler), is_late(scheduler) {}

  pb::ReadRequest request;  // does not change
  std::mutex mutex;         // guards the two below
  ReadRound round;
  bool repairs = false;
  const env::Completion<bool> over;
  const env::Completion<bool> is_late;  // false: it is over before that
};

Coordinator::Coordinator(const CoordinatorOptions& options, const Placement* placement,
                         Peers* peers, env::Clock* clock, env::Scheduler* scheduler)
    : options_(options),
      placement_(placement),
      peers_(peers),
      clock_(clock),
      scheduler_(scheduler),
      tasks_(scheduler) {}

// A transaction on its way from home to home.
struct Coordinator::Sweep {
  uint32_t attempt = 1;
  bool may_have_happened = false;
  size_t asked = 0;  // homes, in all
  size_t homes = 0;
  env::NodeId home = 0;      // whom this request is for
  bool is_degraded = false;  // this request
  // Somebody may have taken it into a branch, and not have been heard.
  bool may_be_in_branch = false;
  bool is_refused = false;  // by a majority, though it may be in a branch
  // Of this round over all homes: who said that they reach no majority, and whether anybody said
  // anything else.
  std::vector<env::NodeId> without;
  bool others = false;
  std::set<env::NodeId> silent;  // found out after one said so; need not be asked
};

bool Coordinator::Took(const Result<Bytes>& answer, Sweep* sweep, CommitResult* result) const {
  const auto reply =
      answer.ok() ? Parse<pb::SubmitReply>(*answer) : Result<pb::SubmitReply>(answer.status());
  if (!reply.ok()) {
    result->status = reply.status().code() == Code::kBusy
                         ? Status::Unavailable(reply.status().message())
                         : reply.status();
    if (reply.status().code() == Code::kInvalidArgument && !sweep->may_have_happened) {
      return true;
    }
    // Not carried out: the next attempt is still the first. It is kBusy where one of the two goes
    // by an older layout.
    if (reply.status().code() != Code::kUnavailable && reply.status().code() != Code::kBusy) {
      sweep->may_have_happened = true;
      sweep->may_be_in_branch |= sweep->is_degraded;
      ++sweep->attempt;
    }
    return false;
  }
  if (reply->decided()) {
    const pb::Outcome& outcome = reply->outcome();
    if (outcome.conflict() && sweep->may_be_in_branch) {
      // The branch is still to be merged, and then it will have happened.
      result->status = Status(Code::kOutcomeUnknown, "refused, but perhaps taken in elsewhere");
      sweep->may_have_happened = true;
      sweep->others = true;
      sweep->is_refused = true;
      return false;
    }
    if (outcome.conflict()) {
      result->status = Status::Conflict("an assert did not hold");
      result->failed_assert = outcome.failed_assert();
    } else {
      result->status = Status::Ok();
      result->versions.push_back({outcome.version_high(), outcome.version_low()});
      result->states.push_back(FromProto(reply->state()));
      result->time = reply->time();
    }
    result->degraded = reply->degraded();
    return true;
  }
  result->status = Status(static_cast<Code>(reply->code()), reply->message());
  if (reply->no_majority()) {
    sweep->without.push_back(sweep->home);
  } else {
    sweep->others = true;
  }
  if (!sweep->may_have_happened && !reply->unknown() &&
      (sweep->is_degraded || sweep->asked >= sweep->homes) &&
      (result->status.code() == Code::kNoSpace || result->status.code() == Code::kReadOnly)) {
    return true;  // waiting does not help
  }
  if (reply->unknown()) {
    sweep->may_have_happened = true;
    ++sweep->attempt;
  }
  return false;
}

bool Coordinator::WaitedForStrong(int64_t began) const {
  return clock_->MonotonicMicros() - began >= options_.strong_micros;
}

Task<std::set<env::NodeId>> Coordinator::SilentOf(std::vector<env::NodeId> homes, Bytes pk) {
  pb::ReadRequest request;
  request.set_pk(std::move(pk));
  request.set_state_only(true);
  std::vector<Task<Result<Bytes>>> asked;
  for (const env::NodeId home : homes) {
    Bytes body = request.SerializeAsString();
    asked.push_back(peers_->Call(home, Method::kRead, std::move(body), options_.read_micros));
  }
  std::set<env::NodeId> silent;
  for (size_t i = 0; i < asked.size(); ++i) {
    auto& one = asked[i];
    const auto answer = co_await one;
    const Code code = answer.status().code();
    if (code == Code::kOutcomeUnknown || code == Code::kUnavailable) {
      silent.insert(homes[i]);
    }
  }
  co_return silent;
}

Task<env::NodeId> Coordinator::HolderOf(Bytes pk) {
  co_await env::SleepFor(scheduler_, options_.retry_micros);
  const Merged merged = co_await MergeNow(std::move(pk), options_.attempt_micros);
  co_return merged.holder;
}

Task<bool> Coordinator::TookDegraded(env::NodeId home, pb::SubmitRequest request, int64_t left,
                                     Sweep* sweep, CommitResult* result) {
  request.set_degraded(true);
  Bytes body = request.SerializeAsString();
  const auto taken = co_await peers_->Call(home, Method::kSubmit, std::move(body),
                                           std::min(options_.degraded_micros, left));
  sweep->is_degraded = true;
  const bool took = Took(taken, sweep, result);
  sweep->is_degraded = false;
  co_return took;
}

Task<CommitResult> Coordinator::Submit(Txn txn, OpId op, bool first_attempt, bool sync,
                                       int64_t timeout_micros, uint64_t settled, Without without) {
  CommitResult result;
  const uint32_t partition = PartitionOf(PlaceOf(txn.pk), options_.partition_bits);
  std::vector<env::NodeId> homes = placement_->HomesOf(partition);
  size_t next = 0;  // of this round over all of them
  const int64_t began = clock_->MonotonicMicros();
  const int64_t deadline = began + timeout_micros;
  Sweep sweep;
  sweep.attempt = first_attempt ? 1 : 2;
  sweep.may_have_happened = !first_attempt;
  sweep.may_be_in_branch = !first_attempt && without.available;
  sweep.homes = homes.size();
  result.status = Status::Unavailable("no home of the partition was asked");
  env::NodeId first = without.available ? without.first : 0;
  for (int attempt = 0; first != 0 && attempt < kAttemptsAtFirst; ++attempt) {
    pb::SubmitRequest degraded = ToProto(txn, op, sweep.attempt, sync);
    degraded.set_settled(settled);
    degraded.set_skip_when_degraded(without.skip_asserts);
    const bool took =
        co_await TookDegraded(first, std::move(degraded), timeout_micros, &sweep, &result);
    if (took) {
      co_return result;
    }
    sweep.others = false;
    first = co_await HolderOf(txn.pk);  // it may reach a majority by now, and merge
  }
  while (true) {
    int64_t left = deadline - clock_->MonotonicMicros();
    if (left > 0 && next == homes.size()) {
      next = 0;
      // All have been asked. Only where none of those that answer reaches a majority it is done
      // without.
      if (without.available && !sweep.others && !sweep.without.empty()) {
        pb::SubmitRequest degraded = ToProto(txn, op, sweep.attempt, sync);
        degraded.set_settled(settled);
        degraded.set_skip_when_degraded(without.skip_asserts);
        const bool took =
            co_await TookDegraded(sweep.without[0], std::move(degraded), left, &sweep, &result);
        if (took) {
          co_return result;
        }
        if (IsStrongRefusal(result.status) && WaitedForStrong(began)) {
          break;
        }
        left = deadline - clock_->MonotonicMicros();
      }
      sweep.without.clear();
      sweep.silent.clear();
      sweep.others = false;
      if (left > 0) {
        co_await env::SleepFor(scheduler_, std::min(options_.retry_micros, left));
        left = deadline - clock_->MonotonicMicros();
      }
      homes = placement_->HomesOf(partition);  // they may have changed
      sweep.homes = homes.size();
    }
    if (left <= 0) {
      break;
    }
    sweep.home = homes[next++];
    if (sweep.silent.contains(sweep.home)) {
      ++sweep.asked;
      continue;
    }
    pb::SubmitRequest request = ToProto(txn, op, sweep.attempt, sync);
    request.set_settled(settled);
    Bytes body = request.SerializeAsString();
    const auto answer = co_await peers_->Call(sweep.home, Method::kSubmit, std::move(body),
                                              std::min(options_.attempt_micros, left));
    ++sweep.asked;
    if (Took(answer, &sweep, &result)) {
      co_return result;
    }
    if (without.available && !sweep.without.empty() && sweep.silent.empty()) {
      std::vector<env::NodeId> others = homes;
      std::erase(others, sweep.home);
      Bytes pk = txn.pk;
      sweep.silent = co_await SilentOf(std::move(others), std::move(pk));
    }
    left = deadline - clock_->MonotonicMicros();
    if (sweep.is_refused && left > 0) {
      // Once no home holds a branch, what a majority says is all there is to say.
      sweep.is_refused = false;
      const Merged merged = co_await MergeNow(txn.pk, std::min(left, options_.attempt_micros));
      sweep.may_be_in_branch = !merged.all;
    }
  }
  if (sweep.may_have_happened) {
    result.status = Status(Code::kOutcomeUnknown, result.status.message());
  }
  co_return result;
}

void Coordinator::Start(std::vector<ReadRound::Ask> asks, std::shared_ptr<Reading> reading) {
  for (const ReadRound::Ask& ask : asks) {
    tasks_.Start(ReadFrom(ask, reading));
  }
}

Task<void> Coordinator::ReadFrom(ReadRound::Ask ask, std::shared_ptr<Reading> reading) {
  pb::ReadRequest request = reading->request;
  request.set_state_only(ask.state_only);
  Bytes body = request.SerializeAsString();
  const auto answer =
      co_await peers_->Call(ask.home, Method::kRead, std::move(body), options_.read_micros);
  std::optional<pb::ReadReply> told;
  if (answer.ok()) {
    auto reply = Parse<pb::ReadReply>(*answer);
    if (reply.ok() && reply->ok() && reply->state_only() == ask.state_only) {
      told = std::move(*reply);
    }
  }
  std::vector<ReadRound::Ask> more;
  bool repair = false;
  {
    std::lock_guard lock(reading->mutex);
    more = reading->round.Answer(ask.home, std::move(told));
    if (reading->round.verdict() != ReadRound::Verdict::kOpen) {
      reading->over.SetNext(true);
    }
    repair = !reading->repairs && !reading->round.Others().empty();
    reading->repairs = reading->repairs || repair;
  }
  Start(std::move(more), reading);
  if (repair && !repairs_.exchange(true)) {
    Bytes pk = reading->request.pk();
    tasks_.Start(RepairLater(std::move(pk)));
  }
}

Task<void> Coordinator::HedgeLater(std::shared_ptr<Reading> reading) {
  const auto timer = scheduler_->PostAfter(options_.hedge_micros, env::Priority::kForeground,
                                           [is_late = reading->is_late] { is_late.SetNext(true); });
  const bool is_late = co_await reading->is_late.Get();
  if (!is_late) {
    scheduler_->Cancel(timer);
    co_return;
  }
  std::vector<ReadRound::Ask> asks;
  {
    std::lock_guard lock(reading->mutex);
    asks = reading->round.Hedge();
  }
  Start(std::move(asks), reading);
}

Task<void> Coordinator::RepairLater(Bytes pk) {
  co_await env::SleepFor(scheduler_, options_.repair_micros);
  pb::RepairRequest request;
  request.set_pk(pk);
  const std::vector<env::NodeId> homes =
      placement_->HomesOf(PartitionOf(PlaceOf(pk), options_.partition_bits));
  for (const env::NodeId home : homes) {  // whoever reigns does it
    Bytes body = request.SerializeAsString();
    (void)(co_await peers_->Call(home, Method::kRepair, std::move(body), options_.read_micros))
        .ok();
  }
  repairs_ = false;
}

Task<std::optional<pb::ReadReply>> Coordinator::ReadAtOnce(pb::ReadRequest request,
                                                           ReadLevel level) {
  Electorate electorate =
      placement_->ElectorateOf(PartitionOf(PlaceOf(request.pk()), options_.partition_bits));
  const uint64_t version = electorate.version;
  const auto reading = std::make_shared<Reading>(std::move(electorate), level, scheduler_);
  reading->request = std::move(request);
  std::vector<ReadRound::Ask> asks;
  {
    std::lock_guard lock(reading->mutex);
    asks = reading->round.Begin();
  }
  Start(std::move(asks), reading);
  bool open = false;
  {
    std::lock_guard lock(reading->mutex);
    open = reading->round.verdict() == ReadRound::Verdict::kOpen;
  }
  if (open) {
    tasks_.Start(HedgeLater(reading));
  }
  (void)co_await reading->over.Get();
  reading->is_late.SetNext(false);
  std::lock_guard lock(reading->mutex);
  // Counted by older layouts it says nothing.
  if (reading->round.verdict() != ReadRound::Verdict::kDecided ||
      placement_->Version() != version) {
    co_return std::nullopt;
  }
  co_return reading->round.reply();
}

namespace {

Result<std::vector<std::optional<Item>>> ItemsOf(const pb::ReadReply& reply,
                                                 const std::vector<Bytes>& cks) {
  std::map<Bytes, Bytes> values;
  for (const pb::Entry& entry : reply.entries()) {
    values[entry.ck()] = entry.value();
  }
  std::vector<std::optional<Item>> items(cks.size());
  for (size_t i = 0; i < cks.size(); ++i) {
    const auto found = values.find(cks[i]);
    if (found == values.end()) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(versioning::VersionedValue value, versioning::Decode(found->second));
    if (!IsAbsent(value)) {
      Item& item = items[i].emplace();
      item.ck = cks[i];
      item.version = IdOf(value);
      item.siblings = std::move(value.siblings);
    }
  }
  return items;
}

}  // namespace

Task<Result<std::vector<std::optional<Item>>>> Coordinator::Read(Bytes pk, std::vector<Bytes> cks,
                                                                 int64_t timeout_micros,
                                                                 ReadLevel level, Without without) {
  pb::ReadRequest request;
  request.set_pk(std::move(pk));
  for (const Bytes& ck : cks) {
    request.add_cks(ck);
  }
  const auto reply = co_await Query(std::move(request), timeout_micros, level, without);
  if (!reply.ok()) {
    co_return reply.status();
  }
  co_return ItemsOf(*reply, cks);
}

Task<Result<pb::ReadReply>> Coordinator::ReadDegraded(env::NodeId home, pb::ReadRequest request,
                                                      int64_t timeout_micros) {
  request.set_degraded(true);
  Bytes body = request.SerializeAsString();
  const auto answer = co_await peers_->Call(home, Method::kRead, std::move(body),
                                            std::min(options_.degraded_micros, timeout_micros));
  if (!answer.ok()) {
    co_return Status::Unavailable(answer.status().message());
  }
  auto reply = Parse<pb::ReadReply>(*answer);
  if (reply.ok() && !reply->ok()) {
    co_return Status(static_cast<Code>(reply->code()), reply->message());
  }
  co_return reply;
}

Task<Result<pb::ReadReply>> Coordinator::Query(pb::ReadRequest request, int64_t timeout_micros,
                                               ReadLevel level, Without without) {
  const uint32_t partition = PartitionOf(PlaceOf(request.pk()), options_.partition_bits);
  std::vector<env::NodeId> homes;  // of this round over all of them
  size_t next = 0;
  const int64_t began = clock_->MonotonicMicros();
  const int64_t deadline = began + timeout_micros;
  Status last = Status::Unavailable("a majority of the homes cannot be reached");
  // Of this round over all homes: who said that they reach no majority, and whether anybody said
  // anything else.
  std::vector<env::NodeId> silent;
  bool others = false;
  env::NodeId first = without.available ? without.first : 0;
  for (int attempt = 0; first != 0 && attempt < kAttemptsAtFirst; ++attempt) {
    auto reply = co_await ReadDegraded(first, request, timeout_micros);
    if (reply.ok()) {
      co_return reply;
    }
    first = co_await HolderOf(request.pk());  // it may reach a majority by now, and merge
  }
  for (size_t turn = 0;; ++turn) {
    const bool is_new_round = next == homes.size();
    if (is_new_round) {
      homes = placement_->HomesOf(partition);
      next = 0;
      if (without.available && level != ReadLevel::kAll && !others && !silent.empty()) {
        const int64_t time = std::max<int64_t>(deadline - clock_->MonotonicMicros(), 1);
        auto reply = co_await ReadDegraded(silent[0], request, time);
        if (reply.ok() || (IsStrongRefusal(reply.status()) && WaitedForStrong(began))) {
          co_return reply;
        }
        last = reply.status();
      }
      silent.clear();
      others = false;
      // Again: for all homes to agree, what the primary settles has to reach them.
      if (turn == 0 || level != ReadLevel::kQuorum) {
        auto at_once = co_await ReadAtOnce(request, level);
        if (at_once.has_value()) {
          co_return std::move(*at_once);
        }
      }
    }
    const int64_t left = deadline - clock_->MonotonicMicros();
    if (left <= 0) {
      co_return last;
    }
    if (turn > 0 && is_new_round) {
      co_await env::SleepFor(scheduler_, std::min(options_.retry_micros, left));
    }
    const env::NodeId home = homes[next++];
    if (level == ReadLevel::kOne) {
      continue;
    }
    // They differ: something is under way, or was left so. The primary settles it.
    pb::ReadRequest settled = request;
    settled.set_settled(true);
    Bytes body = settled.SerializeAsString();
    const auto answer = co_await peers_->Call(home, Method::kRead, std::move(body),
                                              std::min(options_.attempt_micros, left));
    if (!answer.ok()) {
      last = Status::Unavailable(answer.status().message());  // a read leaves nothing unknown
      continue;
    }
    auto reply = Parse<pb::ReadReply>(*answer);
    if (reply.ok() && reply->no_majority()) {
      silent.push_back(home);
    } else {
      others = true;
    }
    if (!reply.ok()) {
      last = reply.status();
    } else if (!reply->ok()) {
      last = Status(static_cast<Code>(reply->code()), reply->message());
    } else if (level == ReadLevel::kQuorum) {
      co_return reply;
    } else {
      last = Status::Unavailable("not every home holds it");
      pb::RepairRequest repair;
      repair.set_pk(request.pk());
      Bytes behind = repair.SerializeAsString();
      (void)(co_await peers_->Call(home, Method::kRepair, std::move(behind),
                                   std::min(options_.attempt_micros, left)))
          .ok();
    }
  }
}

// ---- branches ----------------------------------------------------------------

Task<Result<pb::MergeReply>> Coordinator::MergeAt(env::NodeId home, Bytes pk,
                                                  int64_t timeout_micros) {
  pb::MergeNowRequest request;
  request.set_pk(std::move(pk));
  Bytes body = request.SerializeAsString();
  const auto answer =
      co_await peers_->Call(home, Method::kMergeNow, std::move(body), timeout_micros);
  if (!answer.ok()) {
    co_return answer.status();
  }
  co_return Parse<pb::MergeReply>(*answer);
}

Task<Coordinator::Merged> Coordinator::MergeNow(Bytes pk, int64_t timeout_micros) {
  const std::vector<env::NodeId> homes =
      placement_->HomesOf(PartitionOf(PlaceOf(pk), options_.partition_bits));
  std::vector<Task<Result<pb::MergeReply>>> merging;
  for (const env::NodeId home : homes) {
    merging.push_back(MergeAt(home, pk, timeout_micros));
  }
  Merged result;
  size_t answers = 0;
  for (size_t i = 0; i < merging.size(); ++i) {
    auto& one = merging[i];
    const auto reply = co_await one;
    answers += reply.ok() ? 1 : 0;
    if (reply.ok() && reply->merged()) {
      result.merged = true;
    } else if (reply.ok() && result.holder == 0) {
      result.holder = homes[i];
    }
  }
  result.merged = result.merged && result.holder == 0;
  result.all = result.merged && answers == homes.size();
  co_return result;
}

}  // namespace kvfs::replication
