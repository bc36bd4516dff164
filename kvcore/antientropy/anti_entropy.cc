#include "kvcore/antientropy/anti_entropy.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::antientropy {
namespace {

// What was found both times, and `most` of it at most.
template <typename Thing>
std::vector<Thing> InBoth(const std::set<Thing>& first, const std::set<Thing>& again, size_t most) {
  std::vector<Thing> both;
  std::set_intersection(first.begin(), first.end(), again.begin(), again.end(),
                        std::back_inserter(both));
  both.resize(std::min(both.size(), most));
  return both;
}

}  // namespace

Bytes NewStoreKey() { return replication::NodeLocalKey("new-store"); }

std::map<env::NodeId, PeerReport> AntiEntropy::Reports() const {
  std::lock_guard lock(mutex_);
  return reports_;
}

Task<void> AntiEntropy::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

Task<bool> AntiEntropy::Wait(int64_t micros) {
  constexpr int64_t kLook = 100'000;
  for (; micros > 0 && !closing_; micros -= kLook) {
    co_await env::SleepFor(parts_.scheduler, std::min(micros, kLook));
  }
  co_return !closing_;
}

Task<void> AntiEntropy::Run() {
  int64_t pause = options_.first_micros;
  while (true) {
    const bool goes_on = co_await Wait(pause);
    if (!goes_on) {
      co_return;
    }
    co_await RunRound();
    pause = options_.again_micros;
    if (IsComplete(Shared().size())) {
      pause = options_.interval_micros;
      const auto is_new = parts_.store->Contains(NewStoreKey());
      if (is_new.ok() && *is_new) {
        std::vector<replication::StoreWrite> writes(1);
        writes[0].kind = replication::StoreWrite::Kind::kDelete;
        writes[0].key = NewStoreKey();
        (void)parts_.store->Apply(std::move(writes), {}).ok();  // else the next time
      }
    }
  }
}

bool AntiEntropy::IsComplete(size_t peers) const {
  std::lock_guard lock(mutex_);
  return reports_.size() == peers &&
         std::all_of(reports_.begin(), reports_.end(), [](const auto& entry) {
           const PeerReport& report = entry.second;
           return report.answered && report.healed_keys + report.healed_chunks + report.failed == 0;
         });
}

std::map<env::NodeId, std::vector<uint32_t>> AntiEntropy::Shared() const {
  std::map<env::NodeId, std::vector<uint32_t>> shared;
  for (uint32_t partition = 0; partition >> options_.partition_bits == 0; ++partition) {
    const auto homes = parts_.placement->HomesOf(partition);
    if (std::find(homes.begin(), homes.end(), options_.self) == homes.end()) {
      continue;
    }
    for (const env::NodeId home : homes) {
      if (home != options_.self) {
        shared[home].push_back(partition);
      }
    }
  }
  return shared;
}

Task<void> AntiEntropy::RunRound() {
  auto guard = co_await running_.Lock();
  const auto shared = Shared();
  for (const auto& [peer, partitions] : shared) {
    if (closing_) {
      co_return;
    }
    PeerReport report = co_await CompareWith(peer, partitions);
    report.shared_partitions = partitions.size();
    report.ended_at_micros = parts_.clock->MonotonicMicros();
    std::lock_guard lock(mutex_);
    reports_[peer] = report;
  }
}

Task<PeerReport> AntiEntropy::CompareWith(env::NodeId peer, std::vector<uint32_t> partitions) {
  PeerReport report;
  const Status keys = co_await CompareKeys(peer, &partitions, &report);
  if (keys.ok()) {
    const Status chunks = co_await CompareChunks(peer, &partitions, &report);
    report.answered = chunks.ok();
  }
  co_return report;
}

Task<Status> AntiEntropy::CompareKeys(env::NodeId peer, const std::vector<uint32_t>* partitions,
                                      PeerReport* report) {
  Exchange exchange(options_.exchange, parts_.store, parts_.service, parts_.peers);
  KVFS_CO_ASSIGN_OR_RETURN(
      const Differences first,
      co_await exchange.Compare(peer, Tree::kKeys, *partitions, options_.partition_bits));
  report->bytes += first.bytes;
  report->differing_partitions = first.partitions;
  if (first.keys.empty()) {
    co_return Status::Ok();
  }
  const bool goes_on = co_await Wait(options_.settle_micros);
  if (!goes_on) {
    co_return Status::Ok();
  }
  KVFS_CO_ASSIGN_OR_RETURN(
      const Differences again,
      co_await exchange.Compare(peer, Tree::kKeys, *partitions, options_.partition_bits));
  report->bytes += again.bytes;
  const std::vector<Bytes> keys = InBoth(first.keys, again.keys, options_.most_heals);
  report->differing_keys = keys.size();
  for (const Bytes& pk : keys) {
    if (closing_) {
      break;
    }
    // Whoever is the primary settles it and gives it to those that lag.
    replication::pb::ReadRequest request;
    request.set_pk(pk);
    request.set_state_only(true);
    const auto healed = co_await parts_.coordinator->Query(std::move(request), options_.heal_micros,
                                                           replication::ReadLevel::kAll);
    ++(healed.ok() ? report->healed_keys : report->failed);
  }
  co_return Status::Ok();
}

Task<Status> AntiEntropy::CompareChunks(env::NodeId peer, const std::vector<uint32_t>* partitions,
                                        PeerReport* report) {
  Exchange exchange(options_.exchange, parts_.store, parts_.service, parts_.peers);
  KVFS_CO_ASSIGN_OR_RETURN(
      const Differences first,
      co_await exchange.Compare(peer, Tree::kChunks, *partitions, options_.partition_bits));
  report->bytes += first.bytes;
  if (first.chunks.empty()) {
    co_return Status::Ok();
  }
  const bool goes_on = co_await Wait(options_.settle_micros);
  if (!goes_on) {
    co_return Status::Ok();
  }
  KVFS_CO_ASSIGN_OR_RETURN(
      const Differences again,
      co_await exchange.Compare(peer, Tree::kChunks, *partitions, options_.partition_bits));
  report->bytes += again.bytes;
  KVFS_CO_ASSIGN_OR_RETURN(const bool is_new, parts_.store->Contains(NewStoreKey()));
  const auto chunks = InBoth(first.chunks, again.chunks, options_.most_heals);
  report->missing_chunks = chunks.size();
  for (const replication::ChunkId& id : chunks) {
    if (closing_) {
      break;
    }
    const auto healed = co_await parts_.chunks->RepairChunk(id, is_new);
    report->healed_chunks += healed.ok() && *healed ? 1 : 0;
    report->failed += healed.ok() ? 0 : 1;
  }
  co_return Status::Ok();
}

}  // namespace kvfs::antientropy
