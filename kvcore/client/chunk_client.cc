#include "kvcore/client/chunk_client.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "kvcore/env/completion.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::client {

using replication::Method;
namespace pb = replication::pb;

// What the homes of one chunk answer to one put.
class ChunkClient::Round {
 public:
  // `available`: what fewer than a majority have stored counts too.
  Round(replication::Electorate electorate, const replication::Placement* placement, bool available,
        env::Scheduler* scheduler)
      : electorate_(std::move(electorate)),
        placement_(placement),
        available_(available),
        over_(scheduler) {}

  enum class News : uint8_t { kNothing, kFirst, kMajority };
  // What this answer has brought, where others have not answered.
  News Add(env::NodeId home, const Result<pb::PutChunkReply>& reply) {
    std::lock_guard lock(mutex_);
    const bool had_majority = HasMajority();
    const bool is_first = holders_.empty();
    answered_.insert(home);
    if (!reply.ok()) {
      last_error_ = reply.status();
      has_no_room_ |= reply.status().code() == Code::kNoSpace;
    } else if (reply->stored()) {
      holders_.insert(home);
    } else {
      ++missing_;
    }
    const bool all = answered_.size() == electorate_.homes.size();
    const bool may_reach = electorate_.HasMajority(
        [&](env::NodeId one) { return holders_.contains(one) || !answered_.contains(one); });
    if (all || (!available_ && !may_reach)) {
      over_.Set(true);
    }
    if (all || !holders_.contains(home)) {
      return News::kNothing;
    }
    if (!had_majority && HasMajority()) {
      return News::kMajority;
    }
    return is_first ? News::kFirst : News::kNothing;
  }
  void Linger() { over_.Set(true); }
  auto Wait() const { return over_.Get(); }

  // Of the homes by the layouts in force: what was counted by older ones does not count.
  bool has_majority() const {
    std::lock_guard lock(mutex_);
    return HasMajority() && placement_->Version() == electorate_.version;
  }
  // The layouts have changed, or are about to.
  bool is_void() const {
    std::lock_guard lock(mutex_);
    return last_error_.code() == Code::kBusy || placement_->Version() != electorate_.version;
  }
  std::vector<env::NodeId> holders() const {
    std::lock_guard lock(mutex_);
    return {holders_.begin(), holders_.end()};
  }
  bool lacks_bytes() const {
    std::lock_guard lock(mutex_);
    return missing_ > 0;
  }
  bool has_no_room() const {
    std::lock_guard lock(mutex_);
    return has_no_room_;
  }
  Status last_error() const {
    std::lock_guard lock(mutex_);
    return last_error_;
  }

 private:
  bool HasMajority() const {
    return electorate_.HasMajority([&](env::NodeId home) { return holders_.contains(home); });
  }

  const replication::Electorate electorate_;
  const replication::Placement* const placement_;
  const bool available_;
  mutable std::mutex mutex_;  // guards the rest
  std::set<env::NodeId> answered_;
  std::set<env::NodeId> holders_;
  size_t missing_ = 0;
  bool has_no_room_ = false;
  Status last_error_;
  const env::Completion<bool> over_;
};

uint32_t ChunkClient::PartitionOf(const ChunkId& id) const {
  return replication::PartitionOf(replication::PlaceOf(id), options_.partition_bits);
}

std::vector<env::NodeId> ChunkClient::HomesOf(const ChunkId& id) const {
  return placement_->HomesOf(PartitionOf(id));
}

Task<Result<Bytes>> ChunkClient::CallAgain(env::NodeId home, Method method,
                                           std::shared_ptr<const Bytes> body, int64_t micros) {
  const int64_t began = clock_->MonotonicMicros();
  Bytes first = *body;
  auto answer = co_await peers_->Call(home, method, std::move(first), micros);
  const int64_t left = micros - (clock_->MonotonicMicros() - began);
  if (answer.status().code() == Code::kOutcomeUnknown && left > micros / 2) {
    Bytes second = *body;
    auto again = co_await peers_->Call(home, method, std::move(second), left);
    co_return again;
  }
  co_return answer;
}

Task<void> ChunkClient::PutAt(env::NodeId home, std::shared_ptr<const Bytes> body,
                              std::shared_ptr<Round> round, bool available) {
  const auto answer = co_await CallAgain(home, Method::kPutChunk, body, options_.put_micros);
  Result<pb::PutChunkReply> reply = pb::PutChunkReply();
  if (!answer.ok()) {
    reply = answer.status();
  } else if (!reply->ParseFromString(*answer)) {
    reply = Status::InvalidArgument("reply of a peer: cannot be read");
  }
  const Round::News news = round->Add(home, reply);
  if (news == Round::News::kMajority || (news == Round::News::kFirst && available)) {
    const int64_t patience =
        news == Round::News::kMajority ? options_.linger_micros : options_.degrade_micros;
    scheduler_->PostAfter(patience, env::Priority::kForeground, [round] { round->Linger(); });
  }
}

Task<std::shared_ptr<ChunkClient::Round>> ChunkClient::PutOnce(replication::Electorate electorate,
                                                               Bytes body, bool available) {
  const std::vector<env::NodeId> homes = electorate.homes;
  const auto round =
      std::make_shared<Round>(std::move(electorate), placement_, available, scheduler_);
  const auto shared = std::make_shared<const Bytes>(std::move(body));
  for (const env::NodeId home : homes) {
    tasks_.Start(PutAt(home, shared, round, available));
  }
  co_await round->Wait();
  co_return round;
}

Task<Status> ChunkClient::Hint(std::vector<env::NodeId> homes, pb::PutChunkRequest request) {
  request.set_hint(true);
  request.clear_data();  // they have it
  request.set_has_data(false);
  const auto body = std::make_shared<const Bytes>(request.SerializeAsString());
  Status last = Status::Unavailable("no home keeps the chunk for the others");
  bool any = false;
  for (const env::NodeId home : homes) {
    const auto answer = co_await CallAgain(home, Method::kPutChunk, body, options_.put_micros);
    pb::PutChunkReply reply;
    if (answer.ok() && reply.ParseFromString(*answer) && reply.stored()) {
      any = true;
    } else if (!answer.ok()) {
      last = answer.status();
    }
  }
  co_return any ? Status::Ok() : last;
}

Task<Result<bool>> ChunkClient::PutOne(pb::PutChunkRequest request, int64_t deadline,
                                       bool available) {
  KVFS_CO_ASSIGN_OR_RETURN(const ChunkId id, replication::ChunkIdOf(request.id()));
  for (int attempt = 0;; ++attempt) {
    auto electorate = placement_->ElectorateOf(PartitionOf(id));
    Bytes body = request.SerializeAsString();
    const auto round = co_await PutOnce(std::move(electorate), std::move(body), available);
    if (round->has_majority()) {
      co_return false;
    }
    if (round->is_void() && clock_->MonotonicMicros() < deadline) {
      --attempt;  // it was for homes that are not all of them, or not those any more
      co_await env::SleepFor(scheduler_, options_.retry_micros / 2);
      continue;
    }
    if (round->has_no_room()) {
      co_return round->last_error();
    }
    // Not at the first attempt: a lost message is no silence.
    if (available && attempt > 0 && !round->holders().empty()) {
      Status hinted = co_await Hint(round->holders(), request);
      if (hinted.ok()) {
        co_return true;
      }
      if (hinted.code() == Code::kNoSpace) {
        co_return hinted;
      }
    }
    if (clock_->MonotonicMicros() >= deadline) {
      co_return Status::Unavailable("a majority of the homes of a chunk cannot be reached: " +
                                    round->last_error().message());
    }
    if (round->lacks_bytes()) {
      // A home that missed them gets them with the reference.
      auto bytes = co_await Read(id, deadline);
      if (!bytes.ok()) {
        co_return bytes.status();
      }
      request.set_data(std::move(*bytes));
      request.set_has_data(true);
      continue;
    }
    co_await env::SleepFor(scheduler_, options_.retry_micros);
  }
}

Task<Result<bool>> ChunkClient::Put(std::vector<ChunkPut> puts, replication::PkState stamp,
                                    bool sync, int64_t deadline, bool available) {
  const std::vector<ChunkDrop> no_drops;
  const std::vector<replication::ChunkChange> changes = replication::GroupByChunk(puts, no_drops);
  Status first;
  bool degraded = false;
  for (size_t next = 0; next < changes.size() && first.ok();) {
    std::vector<Task<Result<bool>>> window;
    for (uint64_t bytes = 0; next < changes.size() && bytes < options_.window_bytes; ++next) {
      const replication::ChunkChange& change = changes[next];
      pb::PutChunkRequest request;
      request.set_id(Bytes(AsBytes(change.id)));
      *request.mutable_stamp() = replication::ToProto(stamp);
      request.set_sync(sync);
      for (const ChunkRef& ref : change.puts) {
        *request.add_refs() = replication::ToProto(ref);
      }
      if (change.data.has_value()) {
        request.set_data(Bytes(*change.data));
        request.set_has_data(true);
      }
      bytes += 1024 + request.data().size();
      window.push_back(PutOne(std::move(request), deadline, available));
    }
    for (Task<Result<bool>>& task : window) {
      const auto put = co_await task;
      if (first.ok()) {
        first = put.status();
      }
      degraded |= put.ok() && *put;
    }
  }
  if (!first.ok()) {
    co_return first;
  }
  co_return degraded;
}

Task<void> ChunkClient::DropAt(env::NodeId home, std::shared_ptr<const Bytes> body) {
  const auto dropped = co_await CallAgain(home, Method::kDropChunk, body, options_.drop_micros);
  (void)dropped.ok();
}

Task<void> ChunkClient::Drop(std::vector<ChunkDrop> drops, replication::PkState stamp) {
  constexpr size_t kAtATime = 64;
  const std::vector<ChunkPut> no_puts;
  const std::vector<replication::ChunkChange> changes = replication::GroupByChunk(no_puts, drops);
  for (size_t next = 0; next < changes.size();) {
    std::vector<Task<void>> window;
    for (size_t count = 0; next < changes.size() && count < kAtATime; ++next, ++count) {
      pb::DropChunkRequest request;
      request.set_id(Bytes(AsBytes(changes[next].id)));
      *request.mutable_stamp() = replication::ToProto(stamp);
      for (const ChunkRef& ref : changes[next].drops) {
        *request.add_refs() = replication::ToProto(ref);
      }
      const auto body = std::make_shared<const Bytes>(request.SerializeAsString());
      for (const env::NodeId home : HomesOf(changes[next].id)) {
        window.push_back(DropAt(home, body));
      }
    }
    for (Task<void>& task : window) {
      co_await task;
    }
  }
}

Task<Result<Bytes>> ChunkClient::Read(ChunkId id, int64_t deadline) {
  pb::ReadChunkRequest request;
  request.set_id(Bytes(AsBytes(id)));
  while (true) {
    const std::vector<env::NodeId> homes = HomesOf(id);
    size_t answered = 0;
    Status damage;
    Status last;
    for (const env::NodeId home : homes) {
      Bytes body = request.SerializeAsString();
      const auto answer =
          co_await peers_->Call(home, Method::kReadChunk, std::move(body), options_.read_micros);
      pb::ReadChunkReply reply;
      if (!answer.ok()) {
        last = answer.status();
      } else if (!reply.ParseFromString(*answer)) {
        last = Status::InvalidArgument("reply of a peer: cannot be read");
      } else if (!reply.present()) {
        ++answered;
      } else if (Sha256(reply.data()) != id) {
        ++answered;
        damage = Status::Corruption("chunk " + ToHex(AsBytes(id)) + " is damaged at node " +
                                    std::to_string(home));
      } else {
        co_return std::move(*reply.mutable_data());
      }
    }
    if (answered == homes.size()) {
      co_return !damage.ok() ? damage : Status::NotFound("no home has chunk " + ToHex(AsBytes(id)));
    }
    if (clock_->MonotonicMicros() >= deadline) {
      co_return Status::Unavailable("no home that has chunk " + ToHex(AsBytes(id)) +
                                    " can be reached: " + last.message());
    }
    co_await env::SleepFor(scheduler_, options_.retry_micros);
  }
}

Task<Result<ChunkInfo>> ChunkClient::Info(ChunkId id) {
  pb::ReadChunkRequest request;
  request.set_id(Bytes(AsBytes(id)));
  const std::vector<env::NodeId> homes = HomesOf(id);
  ChunkInfo found;
  Status last = Status::Unavailable("no home of the chunk can be reached");
  bool any = false;
  for (const env::NodeId home : homes) {
    Bytes body = request.SerializeAsString();
    const auto answer =
        co_await peers_->Call(home, Method::kChunkInfo, std::move(body), options_.read_micros);
    pb::ChunkInfoReply reply;
    if (!answer.ok()) {
      last = answer.status();
      continue;
    }
    if (!reply.ParseFromString(*answer)) {
      continue;
    }
    any = true;
    if (reply.present() && !found.present) {
      found = {true, reply.raw_bytes(), reply.stored_bytes(), reply.references()};
    }
  }
  if (!any) {
    co_return last;
  }
  co_return found;
}

}  // namespace kvfs::client
