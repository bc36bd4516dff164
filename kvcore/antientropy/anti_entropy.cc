#include "kvcore/antientropy/anti_entropy.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::antientropy {
namespace {

template <typename Thing>
std::set<Thing> InBoth(const std::set<Thing>& first, const std::set<Thing>& again) {
  std::set<Thing> both;
  std::set_intersection(first.begin(), first.end(), again.begin(), again.end(),
                        std::inserter(both, both.end()));
  return both;
}

}  // namespace

Bytes NewStoreKey() { return replication::NodeLocalKey("new-store"); }

Task<void> AntiEntropy::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

Task<void> AntiEntropy::Run() {
  int64_t pause = options_.first_micros;
  while (true) {
    const bool goes_on = co_await env::SleepUnless(parts_.scheduler, pause, &closing_);
    if (!goes_on) {
      co_return;
    }
    const Round round = co_await RunRound();
    CountRound(round);
    pause = round.IsCalm() ? options_.interval_micros : options_.again_micros;
    const auto is_new = parts_.store->Contains(NewStoreKey());
    if (round.IsCalm() && !closing_ && is_new.ok() && *is_new) {
      std::vector<replication::StoreWrite> writes(1);
      writes[0].kind = replication::StoreWrite::Kind::kDelete;
      writes[0].key = NewStoreKey();
      (void)parts_.store->Apply(std::move(writes), {}).ok();  // else the next time
    }
  }
}

void AntiEntropy::CountRound(const Round& round) {
  const std::lock_guard lock(mutex_);
  ++counts_.rounds;
  counts_.healed += round.healed;
  counts_.failed += round.failed;
  counts_.unheard += round.unheard;
  if (round.IsCalm() && !closing_) {
    ++counts_.calm_rounds;
    counts_.last_calm_micros = parts_.clock->MonotonicMicros();
  }
}

AntiEntropy::Counts AntiEntropy::GetCounts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::map<env::NodeId, std::vector<uint32_t>> AntiEntropy::Shared() const {
  std::map<env::NodeId, std::vector<uint32_t>> shared;
  for (uint32_t partition = 0; partition >> options_.partition_bits == 0; ++partition) {
    const auto electorate = parts_.placement->ElectorateOf(partition);
    // In a transition the new homes fetch what they need.
    if (!electorate.Includes(options_.self) || electorate.sets.size() > 1) {
      continue;
    }
    for (const env::NodeId home : electorate.homes) {
      if (home != options_.self) {
        shared[home].push_back(partition);
      }
    }
  }
  return shared;
}

Task<AntiEntropy::Round> AntiEntropy::RunRound() {
  Round round;
  const auto shared = Shared();
  for (const auto& [peer, partitions] : shared) {
    const Status keys = co_await CompareKeys(peer, &partitions, &round);
    Status chunks = keys;
    if (keys.ok()) {
      chunks = co_await CompareChunks(peer, &partitions, &round);
    }
    round.unheard += chunks.ok() ? 0 : 1;
    if (closing_) {
      break;
    }
  }
  co_return round;
}

Task<Result<Differences>> AntiEntropy::CompareTwice(env::NodeId peer, Tree tree,
                                                    const std::vector<uint32_t>* partitions) {
  Exchange exchange(options_.exchange, parts_.store, parts_.service, parts_.peers);
  KVFS_CO_ASSIGN_OR_RETURN(Differences first, co_await exchange.Compare(peer, tree, *partitions,
                                                                        options_.partition_bits));
  if (first.keys.empty() && first.chunks.empty()) {
    co_return first;
  }
  const bool goes_on =
      co_await env::SleepUnless(parts_.scheduler, options_.settle_micros, &closing_);
  if (!goes_on) {
    co_return Status::Unavailable("the node is stopping");
  }
  KVFS_CO_ASSIGN_OR_RETURN(
      const Differences again,
      co_await exchange.Compare(peer, tree, *partitions, options_.partition_bits));
  first.keys = InBoth(first.keys, again.keys);
  first.chunks = InBoth(first.chunks, again.chunks);
  co_return first;
}

Task<Status> AntiEntropy::CompareKeys(env::NodeId peer, const std::vector<uint32_t>* partitions,
                                      Round* round) {
  KVFS_CO_ASSIGN_OR_RETURN(const Differences found,
                           co_await CompareTwice(peer, Tree::kKeys, partitions));
  size_t tried = 0;
  for (const Bytes& pk : found.keys) {
    if (closing_ || ++tried > options_.most_heals) {
      break;
    }
    // Whoever is the primary settles it and gives it to those that lag.
    replication::pb::ReadRequest request;
    request.set_pk(pk);
    request.set_state_only(true);
    const auto healed = co_await parts_.coordinator->Query(std::move(request), options_.heal_micros,
                                                           replication::ReadLevel::kAll);
    ++(healed.ok() ? round->healed : round->failed);
  }
  co_return Status::Ok();
}

Task<Status> AntiEntropy::CompareChunks(env::NodeId peer, const std::vector<uint32_t>* partitions,
                                        Round* round) {
  KVFS_CO_ASSIGN_OR_RETURN(const Differences found,
                           co_await CompareTwice(peer, Tree::kChunks, partitions));
  KVFS_CO_ASSIGN_OR_RETURN(const bool is_new, parts_.store->Contains(NewStoreKey()));
  size_t tried = 0;
  for (const replication::ChunkId& id : found.chunks) {
    if (closing_ || ++tried > options_.most_heals) {
      break;
    }
    const auto healed = co_await parts_.chunks->RepairChunk(
        id, is_new ? replication::Takes::kAny : replication::Takes::kMajority);
    round->healed += healed.ok() && *healed ? 1 : 0;
    round->failed += healed.ok() ? 0 : 1;
  }
  co_return Status::Ok();
}

}  // namespace kvfs::antientropy
