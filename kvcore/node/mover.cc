#include "kvcore/node/mover.h"

#include <algorithm>
#include <utility>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/ring/transition.h"

namespace kvfs::node {
namespace {

using replication::Method;
namespace pb = replication::pb;

constexpr int kAttempts = 5;
constexpr size_t kCalmLooks = 25;  // between two questions whether there is anything new

ring::LayoutStage StageOf(const pb::TransfersReply& reply) {
  return {{reply.layout_number(), 0}, reply.in_transition()};
}

Status Changed() { return Status::Unavailable("the layout of the cluster has changed meanwhile"); }

}  // namespace

Task<void> Mover::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

pb::TransfersReply Mover::Progress() const {
  const ring::LayoutStage stage = parts_.placement->view()->stage();
  pb::TransfersReply reply;
  reply.set_layout_number(stage.id.number);
  reply.set_in_transition(stage.in_transition);
  std::lock_guard lock(mutex_);
  if (version_ == stage.version()) {
    for (const uint32_t partition : moved_) {
      reply.add_moved(partition);
    }
    reply.set_wanted(static_cast<uint32_t>(wanted_.size()));
    reply.set_trouble(trouble_);
  }
  reply.set_moved_keys(keys_);
  reply.set_moved_chunks(chunks_);
  reply.set_moved_bytes(bytes_);
  return reply;
}

Task<void> Mover::Run() {
  for (size_t look = 1;; ++look) {
    const bool goes_on =
        co_await env::SleepUnless(parts_.scheduler, options_.look_micros, &closing_);
    if (!goes_on) {
      co_return;
    }
    auto view = parts_.placement->view();
    if (view->next() != nullptr) {
      co_await Look(std::move(view));
    } else if (look % kCalmLooks == 0) {
      const std::vector<env::NodeId> keepers = view->Keepers();
      const env::NodeId one = keepers[look / kCalmLooks % keepers.size()];
      co_await AskForNews(one);
    }
  }
}

// Whoever keeps nothing is asked for little, and might never hear of a change.
Task<void> Mover::AskForNews(env::NodeId node) {
  if (node == options_.self) {
    co_return;
  }
  const auto answer =
      co_await parts_.peers->Call(node, Method::kTransfers, {}, options_.call_micros / 5);
  pb::TransfersReply reply;
  if (answer.ok() && reply.ParseFromString(*answer) &&
      StageOf(reply).version() > parts_.placement->Version()) {
    parts_.newer(node);
  }
}

Task<void> Mover::Look(std::shared_ptr<const ring::RingView> view) {
  {
    std::lock_guard lock(mutex_);
    if (version_ != view->stage().version()) {
      version_ = view->stage().version();
      wanted_.clear();
      moved_.clear();
      trouble_.clear();
      keys_ = chunks_ = bytes_ = 0;
      for (uint32_t partition = 0; partition < view->next()->partition_count(); ++partition) {
        if (view->Moves(partition) && view->next()->Keeps(options_.self, partition)) {
          wanted_.insert(partition);
        }
      }
    }
  }
  co_await MoveMine(view);
  co_await AskOthers(view);
}

Task<void> Mover::MoveMine(std::shared_ptr<const ring::RingView> view) {
  std::vector<uint32_t> left;
  {
    std::lock_guard lock(mutex_);
    std::set_difference(wanted_.begin(), wanted_.end(), moved_.begin(), moved_.end(),
                        std::back_inserter(left));
  }
  std::string trouble;
  for (size_t next = 0; next < left.size() && !closing_;) {
    std::vector<std::pair<uint32_t, Task<Status>>> moves;
    for (; next < left.size() && moves.size() < options_.at_once; ++next) {
      moves.emplace_back(left[next], Move(left[next]));
    }
    for (auto& [partition, move] : moves) {
      Task<Status>& one = move;
      const Status moved = co_await one;
      std::lock_guard lock(mutex_);
      if (version_ != view->stage().version()) {
        continue;
      }
      if (moved.ok()) {
        moved_.insert(partition);
      } else {
        trouble = "partition " + std::to_string(partition) + ": " + moved.message();
      }
    }
    if (parts_.placement->Version() != view->stage().version()) {
      co_return;
    }
  }
  std::lock_guard lock(mutex_);
  trouble_ = trouble;
}

Task<void> Mover::AskOthers(std::shared_ptr<const ring::RingView> view) {
  std::vector<env::NodeId> asked;
  std::vector<Task<Result<Bytes>>> answers;
  for (const env::NodeId node : view->Keepers()) {
    if (node != options_.self && parts_.is_alive(node)) {
      asked.push_back(node);
      answers.push_back(parts_.peers->Call(node, Method::kTransfers, {}, options_.call_micros / 5));
    }
  }
  ring::Moved moved;
  for (size_t i = 0; i < asked.size(); ++i) {
    Task<Result<Bytes>>& one = answers[i];
    const auto answer = co_await one;
    pb::TransfersReply reply;
    if (!answer.ok() || !reply.ParseFromString(*answer)) {
      continue;
    }
    const ring::LayoutStage theirs = StageOf(reply);
    if (theirs.version() > view->stage().version()) {
      parts_.newer(asked[i]);
    } else if (theirs.version() == view->stage().version()) {
      moved[asked[i]].insert(reply.moved().begin(), reply.moved().end());
    }
  }
  {
    std::lock_guard lock(mutex_);
    if (version_ != view->stage().version()) {
      co_return;
    }
    moved[options_.self] = moved_;
  }
  // Who is believed to be there and does not answer is waited for.
  const auto still = ring::StillMoving(*view, moved, parts_.is_alive);
  if (still.empty() && !closing_) {
    (void)(co_await parts_.complete(view->stage().id)).ok();  // else the next time
  }
}

Task<Status> Mover::Move(uint32_t partition) {
  const replication::Electorate electorate = parts_.placement->ElectorateOf(partition);
  Status moved = co_await MoveKeys(partition, electorate);
  if (moved.ok()) {
    moved = co_await MoveChunks(partition);
  }
  KVFS_CO_RETURN_IF_ERROR(moved);
  Status synced = co_await parts_.store->Sync(parts_.store->LastPosition());
  KVFS_CO_RETURN_IF_ERROR(synced);
  co_return parts_.placement->Version() == electorate.version ? Status::Ok() : Changed();
}

Task<Status> Mover::MoveKeys(uint32_t partition, const replication::Electorate& electorate) {
  const std::vector<env::NodeId>& old = electorate.sets.front();
  std::vector<env::NodeId> asked;
  std::vector<Task<Result<replication::Listing>>> answers;
  for (const env::NodeId home : old) {
    if (home != options_.self && parts_.is_alive(home)) {
      pb::ListRequest request;
      request.set_partition(partition);
      asked.push_back(home);
      answers.push_back(
          replication::ListAt(parts_.peers, home, std::move(request), options_.call_micros));
    }
  }
  std::set<env::NodeId> sound;
  replication::Epoch promised;
  std::map<Bytes, replication::PkState> states;
  for (size_t i = 0; i < asked.size(); ++i) {
    Task<Result<replication::Listing>>& one = answers[i];
    auto listing = co_await one;
    if (!listing.ok() || listing->suspect) {
      continue;
    }
    sound.insert(asked[i]);
    promised = std::max(promised, listing->promised);
    for (const auto& [pk, state] : listing->states) {
      replication::PkState& highest = states[pk];
      highest = std::max(highest, state);
    }
  }
  const auto own_epoch = co_await parts_.home->Promised(partition);
  KVFS_CO_RETURN_IF_ERROR(own_epoch.status());
  const auto counts = [&](env::NodeId home) {
    return home == options_.self || sound.contains(home);
  };
  if (static_cast<size_t>(std::count_if(old.begin(), old.end(), counts)) <= old.size() / 2) {
    co_return Status::Unavailable("no majority of those that keep it until now answers");
  }
  // Whoever reigned by the old layout alone has had this promised by a majority of the old homes.
  if (promised > *own_epoch) {
    const auto obeyed = co_await parts_.home->Promise(partition, promised);
    KVFS_CO_RETURN_IF_ERROR(obeyed.status());
  }
  for (const auto& [pk, state] : states) {
    KVFS_CO_ASSIGN_OR_RETURN(const replication::PkState own, parts_.home->LocalState(pk));
    if (own >= state) {
      continue;
    }
    if (closing_ || parts_.placement->Version() != electorate.version) {
      co_return Changed();
    }
    Bytes copy = pk;
    Status brought = co_await Bring(partition, std::move(copy));
    KVFS_CO_RETURN_IF_ERROR(brought);
    const uint64_t bytes = BytesOf(pk);
    {
      std::lock_guard lock(mutex_);
      ++keys_;
      bytes_ += bytes;
    }
    co_await Pace(bytes);
  }
  co_return Status::Ok();
}

Task<Status> Mover::Bring(uint32_t partition, Bytes pk) {
  Status last = Status::Unavailable("no home of a partition key answers");
  for (int attempt = 0; attempt < kAttempts && !closing_; ++attempt) {
    if (attempt > 0) {
      co_await env::SleepFor(parts_.scheduler, options_.look_micros);
    }
    std::vector<env::NodeId> homes = parts_.placement->HomesOf(partition);
    std::stable_partition(homes.begin(), homes.end(), parts_.is_alive);
    for (const env::NodeId home : homes) {
      pb::ReadRequest settle;
      settle.set_pk(pk);
      settle.set_state_only(true);
      settle.set_settled(true);
      Bytes body = settle.SerializeAsString();
      const auto answer =
          co_await parts_.peers->Call(home, Method::kRead, std::move(body), options_.bring_micros);
      const auto settled = answer.ok() ? replication::Parse<pb::ReadReply>(*answer)
                                       : Result<pb::ReadReply>(answer.status());
      if (!settled.ok() || !settled->ok()) {
        last = Status::Unavailable(settled.ok() ? settled->message() : settled.status().message());
        continue;
      }
      const replication::PkState state = replication::FromProto(settled->state());
      pb::RepairRequest repair;
      repair.set_pk(pk);
      body = repair.SerializeAsString();
      (void)(co_await parts_.peers->Call(home, Method::kRepair, std::move(body),
                                         options_.bring_micros))
          .ok();  // whether it helped is seen here
      KVFS_CO_ASSIGN_OR_RETURN(const replication::PkState own, parts_.home->LocalState(pk));
      if (own >= state) {
        co_return Status::Ok();
      }
      last = Status::Unavailable("a partition key does not come to be what it is elsewhere");
    }
  }
  co_return last;
}

Task<Status> Mover::MoveChunks(uint32_t partition) {
  KVFS_CO_ASSIGN_OR_RETURN(const auto missed, co_await parts_.chunks->Missed(partition));
  const uint64_t version = parts_.placement->Version();
  for (const replication::ChunkId& id : missed) {
    if (closing_ || parts_.placement->Version() != version) {
      co_return Changed();
    }
    KVFS_CO_ASSIGN_OR_RETURN(
        const bool took, co_await parts_.chunks->RepairChunk(id, replication::Takes::kPossible));
    if (!took) {
      continue;  // it was dropped meanwhile, or put here
    }
    const auto size = parts_.store->SizeOf(replication::ChunkDataKey(id));
    const uint64_t bytes = size.ok() ? size->raw_bytes : 0;
    {
      std::lock_guard lock(mutex_);
      ++chunks_;
      bytes_ += bytes;
    }
    co_await Pace(bytes);
  }
  co_return Status::Ok();
}

uint64_t Mover::BytesOf(const Bytes& pk) const {
  uint64_t bytes = 0;
  const Bytes prefix = replication::PkPrefix(pk);
  const auto entries = parts_.store->Scan(prefix, replication::PrefixEnd(prefix));
  for (; entries->Valid(); entries->Next()) {
    bytes += entries->key().size() + entries->value().size();
  }
  return bytes;
}

Task<void> Mover::Pace(uint64_t bytes) {
  const int64_t now = parts_.clock->MonotonicMicros();
  int64_t wait = 0;
  {
    std::lock_guard lock(mutex_);
    free_at_micros_ =
        std::max(free_at_micros_, now) +
        static_cast<int64_t>(bytes * 1'000'000 / std::max<uint64_t>(options_.bytes_per_second, 1));
    wait = free_at_micros_ - now;
  }
  constexpr int64_t kWorthWaiting = 2'000;
  if (wait >= kWorthWaiting) {
    (void)co_await env::SleepUnless(parts_.scheduler, wait, &closing_);
  }
}

}  // namespace kvfs::node
