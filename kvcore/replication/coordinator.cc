#include "kvcore/replication/coordinator.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "kvcore/env/completion.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/versioning/merge.h"

namespace kvfs::replication {

// Decided as soon as a majority has told one state, or cannot any more. Homes that all hold one
// state make it the latest one that anybody was told of: doc/replication.md says why.
class Coordinator::ReadRound {
 public:
  ReadRound(size_t homes, env::Scheduler* scheduler)
      : homes_(homes), majority_(homes / 2 + 1), decided_(scheduler) {}

  void Add(std::optional<pb::ReadReply> reply) {
    std::lock_guard lock(mutex_);
    ++answers_;
    size_t most = 0;
    if (reply.has_value()) {
      const PkState state = FromProto(reply->state());
      if (++counts_[state] >= majority_) {
        decided_.Set(std::move(reply));
        return;
      }
    }
    for (const auto& [state, count] : counts_) {
      most = std::max(most, count);
    }
    if (most + (homes_ - answers_) < majority_) {
      decided_.Set(std::nullopt);
    }
  }
  auto Wait() { return decided_.Get(); }

 private:
  const size_t homes_;
  const size_t majority_;
  std::mutex mutex_;  // guards the two below
  size_t answers_ = 0;
  std::map<PkState, size_t> counts_;
  const env::Completion<std::optional<pb::ReadReply>> decided_;
};

Coordinator::Coordinator(const CoordinatorOptions& options, const Placement* placement,
                         Peers* peers, env::Clock* clock, env::Scheduler* scheduler)
    : options_(options),
      placement_(placement),
      peers_(peers),
      clock_(clock),
      scheduler_(scheduler),
      tasks_(scheduler) {}

Task<CommitResult> Coordinator::Submit(Txn txn, OpId op, bool first_attempt, bool sync,
                                       int64_t timeout_micros, uint64_t settled) {
  CommitResult result;
  const std::vector<env::NodeId> homes =
      placement_->HomesOf(PartitionOf(PlaceOf(txn.pk), options_.partition_bits));
  const int64_t deadline = clock_->MonotonicMicros() + timeout_micros;
  uint32_t attempt = first_attempt ? 1 : 2;
  bool may_have_happened = !first_attempt;
  result.status = Status::Unavailable("no home of the partition was asked");
  for (size_t turn = 0;; ++turn) {
    const int64_t left = deadline - clock_->MonotonicMicros();
    if (left <= 0) {
      break;
    }
    if (turn > 0 && turn % homes.size() == 0) {
      co_await env::SleepFor(scheduler_, std::min(options_.retry_micros, left));
    }
    pb::SubmitRequest request = ToProto(txn, op, attempt, sync);
    request.set_settled(settled);
    Bytes body = request.SerializeAsString();
    const auto answer =
        co_await peers_->Call(homes[turn % homes.size()], Method::kSubmit, std::move(body),
                              std::min(options_.attempt_micros, left));
    const auto reply =
        answer.ok() ? Parse<pb::SubmitReply>(*answer) : Result<pb::SubmitReply>(answer.status());
    if (!reply.ok()) {
      result.status = reply.status();
      if (reply.status().code() == Code::kInvalidArgument && !may_have_happened) {
        co_return result;
      }
      // Not carried out: the next attempt is still the first.
      if (reply.status().code() != Code::kUnavailable) {
        may_have_happened = true;
        ++attempt;
      }
      continue;
    }
    if (reply->decided()) {
      const pb::Outcome& outcome = reply->outcome();
      if (outcome.conflict()) {
        result.status = Status::Conflict("an assert did not hold");
        result.failed_assert = outcome.failed_assert();
      } else {
        result.status = Status::Ok();
        result.versions.push_back({outcome.version_high(), outcome.version_low()});
      }
      co_return result;
    }
    result.status = Status(static_cast<Code>(reply->code()), reply->message());
    if (!may_have_happened && !reply->unknown() && turn + 1 >= homes.size() &&
        (result.status.code() == Code::kNoSpace || result.status.code() == Code::kReadOnly)) {
      co_return result;  // waiting does not help
    }
    if (reply->unknown()) {
      may_have_happened = true;
      ++attempt;
    }
  }
  if (may_have_happened) {
    result.status = Status(Code::kOutcomeUnknown, result.status.message());
  }
  co_return result;
}

Task<void> Coordinator::ReadFrom(env::NodeId home, std::shared_ptr<const Bytes> body,
                                 std::shared_ptr<ReadRound> round) {
  Bytes copy = *body;
  const auto answer =
      co_await peers_->Call(home, Method::kRead, std::move(copy), options_.read_micros);
  if (answer.ok()) {
    auto reply = Parse<pb::ReadReply>(*answer);
    if (reply.ok() && reply->ok()) {
      round->Add(std::move(*reply));
      co_return;
    }
  }
  round->Add(std::nullopt);
}

Task<std::optional<pb::ReadReply>> Coordinator::ReadAtOnce(std::vector<env::NodeId> homes,
                                                           Bytes body) {
  const auto round = std::make_shared<ReadRound>(homes.size(), scheduler_);
  const auto shared = std::make_shared<const Bytes>(std::move(body));
  for (const env::NodeId home : homes) {
    tasks_.Start(ReadFrom(home, shared, round));
  }
  auto reply = co_await round->Wait();
  co_return reply;
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
                                                                 int64_t timeout_micros) {
  pb::ReadRequest request;
  request.set_pk(std::move(pk));
  for (const Bytes& ck : cks) {
    request.add_cks(ck);
  }
  const auto reply = co_await Query(std::move(request), timeout_micros);
  if (!reply.ok()) {
    co_return reply.status();
  }
  co_return ItemsOf(*reply, cks);
}

Task<Result<pb::ReadReply>> Coordinator::Query(pb::ReadRequest request, int64_t timeout_micros) {
  const std::vector<env::NodeId> homes =
      placement_->HomesOf(PartitionOf(PlaceOf(request.pk()), options_.partition_bits));
  const int64_t deadline = clock_->MonotonicMicros() + timeout_micros;
  Bytes body = request.SerializeAsString();
  auto at_once = co_await ReadAtOnce(homes, std::move(body));
  if (at_once.has_value()) {
    co_return std::move(*at_once);
  }
  // They differ: something is under way, or was left so. The primary settles it.
  request.set_settled(true);
  Status last = Status::Unavailable("a majority of the homes cannot be reached");
  for (size_t turn = 0;; ++turn) {
    const int64_t left = deadline - clock_->MonotonicMicros();
    if (left <= 0) {
      co_return last;
    }
    if (turn > 0 && turn % homes.size() == 0) {
      co_await env::SleepFor(scheduler_, std::min(options_.retry_micros, left));
    }
    Bytes again = request.SerializeAsString();
    const auto answer =
        co_await peers_->Call(homes[turn % homes.size()], Method::kRead, std::move(again),
                              std::min(options_.attempt_micros, left));
    if (!answer.ok()) {
      last = Status::Unavailable(answer.status().message());  // a read leaves nothing unknown
      continue;
    }
    auto reply = Parse<pb::ReadReply>(*answer);
    if (!reply.ok()) {
      last = reply.status();
    } else if (!reply->ok()) {
      last = Status(static_cast<Code>(reply->code()), reply->message());
    } else {
      co_return reply;
    }
  }
}

}  // namespace kvfs::replication
