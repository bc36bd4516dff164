#include "kvcore/replication/rebuilder.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "kvcore/env/completion.h"
#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

constexpr int kAttemptsAtPk = 10;

pb::ListRequest WholePartition(uint32_t partition, const Epoch& epoch) {
  pb::ListRequest request;
  request.set_partition(partition);
  *request.mutable_epoch() = ToProto(epoch);
  return request;
}

}  // namespace

bool KnowEverything(const Listings& others, const Electorate& electorate, env::NodeId self) {
  const std::vector<env::NodeId>& homes = electorate.sets.front();
  const size_t majority = homes.size() / 2 + 1;
  size_t sound = 0;
  bool all = true;
  for (const env::NodeId home : homes) {
    const auto found = others.find(home);
    sound += found != others.end() && !found->second.suspect ? 1 : 0;
    all = all && (home == self || found != others.end());
  }
  return sound >= homes.size() - majority + 1 || all;
}

Result<std::optional<Takeover>> PlanTakeover(const Bytes& pk, const PkState& own,
                                             const Listings& others, const Electorate& electorate,
                                             const Epoch& epoch) {
  std::optional<Takeover> plan;
  std::set<env::NodeId> same;
  PkState highest = own;
  for (const auto& [home, listing] : others) {
    const auto found = listing.states.find(pk);
    const PkState state = found == listing.states.end() ? PkState{} : found->second;
    if (state > highest) {
      highest = state;
      plan = Takeover{home, state, state};
      same.clear();
    }
    if (state == highest) {
      same.insert(home);
    }
  }
  const bool is_decided =
      electorate.HasMajority([&](env::NodeId home) { return same.contains(home); });
  if (plan.has_value() && !is_decided) {
    // Nobody may ever have been told of it. Under its own name it might come to be held by a
    // majority, and be taken for decided.
    if (highest.epoch > epoch) {
      return Status::Unavailable("the partition key is ahead of the epoch of the rebuilding home");
    }
    plan->to = After(highest, epoch);
  }
  return plan;
}

Task<Result<Listing>> ListAt(Peers* peers, env::NodeId home, pb::ListRequest request,
                             int64_t call_timeout_micros) {
  Listing listing;
  while (true) {
    Bytes body = request.SerializeAsString();
    KVFS_CO_ASSIGN_OR_RETURN(
        const Bytes answer,
        co_await peers->Call(home, Method::kList, std::move(body), call_timeout_micros));
    KVFS_CO_ASSIGN_OR_RETURN(const auto page, Parse<pb::ListReply>(answer));
    if (!request.promised_only() && FromProto(page.promised()) < FromProto(request.epoch())) {
      co_return Status::Unavailable("the home has not promised the epoch");
    }
    listing.promised = std::max(listing.promised, FromProto(page.promised()));
    listing.suspect = listing.suspect || page.suspect();
    for (const pb::PkOf& one : page.pks()) {
      listing.states[one.pk()] = FromProto(one.state());
    }
    if (!page.more() || page.pks().empty()) {
      co_return listing;
    }
    request.set_after(page.pks().rbegin()->pk());
  }
}

// The answers to one question to all other homes.
struct Rebuilder::Gathering {
  Gathering(size_t asked, env::Scheduler* scheduler) : open(asked), all(scheduler) {}

  void Add(env::NodeId home, std::optional<Listing> listing) {
    std::lock_guard lock(mutex);
    if (listing.has_value()) {
      listings[home] = std::move(*listing);
    }
    if (--open == 0) {
      all.Set(true);
    }
  }

  std::mutex mutex;  // guards the two below
  size_t open;
  Listings listings;
  const env::Completion<bool> all;
};

Rebuilder::Rebuilder(const RebuilderOptions& options, const Placement* placement, Home* home,
                     Peers* peers, env::Random* random, env::Scheduler* scheduler)
    : options_(options),
      placement_(placement),
      home_(home),
      peers_(peers),
      random_(random),
      scheduler_(scheduler),
      tasks_(scheduler) {}

Task<void> Rebuilder::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

Task<void> Rebuilder::Run() {
  while (!closing_) {
    const auto suspects = home_->Suspects();
    bool all = suspects.ok();
    if (suspects.ok()) {
      for (const uint32_t partition : *suspects) {
        standings_.try_emplace(partition);
      }
      for (size_t at = 0; at < suspects->size() && !closing_;) {
        std::vector<Task<Status>> attempts;
        for (; at < suspects->size() && attempts.size() < options_.at_once; ++at) {
          attempts.push_back(Rebuild((*suspects)[at]));
        }
        for (Task<Status>& attempt : attempts) {
          const Status rebuilt = co_await attempt;
          all = all && rebuilt.ok();
        }
      }
    }
    if (closing_) {
      co_return;
    }
    if (all) {
      done_ = true;
      co_return;
    }
    // Not all at the same time: each attempt may stop a primary.
    const int64_t pause =
        options_.retry_micros / 2 +
        static_cast<int64_t>(random_->Next() % static_cast<uint64_t>(options_.retry_micros));
    co_await env::SleepFor(scheduler_, pause);
  }
}

Task<void> Rebuilder::AskOne(env::NodeId home, pb::ListRequest request,
                             std::shared_ptr<Gathering> gathering) {
  auto listing = co_await ListAt(peers_, home, std::move(request), options_.call_timeout_micros);
  std::optional<Listing> told;
  if (listing.ok()) {
    told = std::move(*listing);
  }
  gathering->Add(home, std::move(told));
}

Task<Listings> Rebuilder::AskAll(pb::ListRequest request) {
  std::vector<env::NodeId> others = placement_->HomesOf(request.partition());
  std::erase(others, options_.self);
  if (others.empty()) {
    co_return Listings();
  }
  const auto gathering = std::make_shared<Gathering>(others.size(), scheduler_);
  for (const env::NodeId home : others) {
    tasks_.Start(AskOne(home, request, gathering));
  }
  (void)co_await gathering->all.Get();
  std::lock_guard lock(gathering->mutex);
  co_return std::move(gathering->listings);
}

void Rebuilder::Outrank(uint32_t partition, const Listings& others) {
  Standing& standing = standings_.at(partition);
  standing.epoch.reset();
  for (const auto& [home, listing] : others) {
    standing.outranked = std::max(standing.outranked, listing.promised.number);
  }
}

Task<Status> Rebuilder::TakeOverOne(uint32_t partition, Bytes pk, Epoch epoch, Takeover plan) {
  for (int attempt = 1;; ++attempt) {
    Status taken = co_await home_->TakeOver(pk, plan.source, plan.from, plan.to);
    if (taken.ok() || attempt == kAttemptsAtPk || closing_) {
      co_return taken;
    }
    pb::ListRequest request = WholePartition(partition, epoch);
    request.set_only(pk);
    const Listings others = co_await AskAll(std::move(request));
    const Electorate electorate = placement_->ElectorateOf(partition);
    if (!KnowEverything(others, electorate, options_.self)) {
      co_return Status::Unavailable("too few homes can be reached");
    }
    KVFS_CO_ASSIGN_OR_RETURN(const PkState own, home_->LocalState(pk));
    const auto again = PlanTakeover(pk, own, others, electorate, epoch);
    if (!again.ok()) {
      Outrank(partition, others);
      co_return again.status();
    }
    if (!again->has_value()) {
      co_return Status::Ok();
    }
    plan = **again;
  }
}

Task<Result<Epoch>> Rebuilder::NewEpoch(uint32_t partition) {
  // Our own former ones may be among what we have forgotten; others have promised those that count.
  pb::ListRequest request;
  request.set_partition(partition);
  request.set_promised_only(true);
  const Listings others = co_await AskAll(std::move(request));
  if (!KnowEverything(others, placement_->ElectorateOf(partition), options_.self)) {
    co_return Status::Unavailable("too few homes can be reached");
  }
  Outrank(partition, others);
  const uint64_t above = standings_.at(partition).outranked;
  co_return co_await home_->BeginRebuild(partition, options_.self, above);
}

Task<Status> Rebuilder::Rebuild(uint32_t partition) {
  const Electorate electorate = placement_->ElectorateOf(partition);
  if (!electorate.Includes(options_.self)) {
    // What is still here of what this node kept once counts for nobody.
    Status ended = co_await home_->EndRebuild(partition, {});
    co_return ended;
  }
  Standing& standing = standings_.at(partition);
  if (!standing.epoch.has_value()) {
    KVFS_CO_ASSIGN_OR_RETURN(standing.epoch, co_await NewEpoch(partition));
  }
  const Epoch epoch = *standing.epoch;
  pb::ListRequest request = WholePartition(partition, epoch);
  const Listings others = co_await AskAll(std::move(request));
  if (!KnowEverything(others, electorate, options_.self)) {
    co_return Status::Unavailable("too few homes can be reached");
  }
  Epoch promised = epoch;
  std::set<Bytes> pks;
  for (const auto& [home, listing] : others) {
    promised = std::max(promised, listing.promised);
    for (const auto& [pk, state] : listing.states) {
      pks.insert(pk);
    }
  }
  for (const Bytes& pk : pks) {
    KVFS_CO_ASSIGN_OR_RETURN(const PkState own, home_->LocalState(pk));
    const auto plan = PlanTakeover(pk, own, others, electorate, epoch);
    if (!plan.ok()) {
      Outrank(partition, others);
      co_return plan.status();
    }
    if (plan->has_value()) {
      Bytes copy = pk;
      Status taken = co_await TakeOverOne(partition, std::move(copy), epoch, **plan);
      KVFS_CO_RETURN_IF_ERROR(taken);
    }
  }
  if (placement_->Version() != electorate.version) {
    co_return Status::Unavailable("the layout of the cluster has changed meanwhile");
  }
  co_return co_await home_->EndRebuild(partition, promised);
}

}  // namespace kvfs::replication
