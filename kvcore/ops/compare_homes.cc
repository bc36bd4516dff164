#include "kvcore/ops/compare_homes.h"

#include <set>
#include <utility>

#include "kvcore/antientropy/messages.h"

namespace kvfs::ops {
namespace {

using antientropy::Sum;
using antientropy::Tree;

constexpr uint32_t kPlaceBits = 16;

Bytes Encoded(const Sum& sum) {
  Bytes out;
  antientropy::Encode(sum, &out);
  return out;
}

// The roots of one tree, by partition.
Task<Result<std::map<uint32_t, Sum>>> AskForSums(replication::Peers* peers, env::NodeId home,
                                                 Tree tree, std::vector<uint32_t> partitions,
                                                 uint32_t partition_bits, int64_t micros) {
  const uint32_t places = 1u << (kPlaceBits - partition_bits);
  std::vector<antientropy::PlaceRange> ranges;
  for (const uint32_t partition : partitions) {
    antientropy::PlaceRange range;
    range.first = partition * places;
    range.count = places;
    range.group = places;
    ranges.push_back(range);
  }
  Bytes body = antientropy::SumsRequestOf(tree, ranges).SerializeAsString();
  KVFS_CO_ASSIGN_OR_RETURN(
      const Bytes answer,
      co_await peers->Call(home, replication::Method::kSums, std::move(body), micros));
  KVFS_CO_ASSIGN_OR_RETURN(const auto reply,
                           antientropy::Parse<antientropy::pb::SumsReply>(answer));
  KVFS_CO_ASSIGN_OR_RETURN(const auto sums, antientropy::SumsOf(reply.sums()));
  if (sums.size() != partitions.size()) {
    co_return Status::InvalidArgument("message of a peer: not as many sums as were asked for");
  }
  std::map<uint32_t, Sum> found;
  for (size_t i = 0; i < sums.size(); ++i) {
    found[partitions[i]] = sums[i];
  }
  co_return found;
}

Task<Result<SumsOfHome>> AskHome(replication::Peers* peers, env::NodeId home,
                                 std::vector<uint32_t> partitions, uint32_t partition_bits,
                                 int64_t micros) {
  SumsOfHome sums;
  KVFS_CO_ASSIGN_OR_RETURN(
      sums.keys, co_await AskForSums(peers, home, Tree::kKeys, partitions, partition_bits, micros));
  KVFS_CO_ASSIGN_OR_RETURN(sums.chunks,
                           co_await AskForSums(peers, home, Tree::kChunks, std::move(partitions),
                                               partition_bits, micros));
  co_return sums;
}

// Whether those that were heard hold different things.
bool Differ(const std::vector<const std::map<uint32_t, Sum>*>& sums, uint32_t partition) {
  for (size_t i = 1; i < sums.size(); ++i) {
    if (!(sums[i]->at(partition) == sums[0]->at(partition))) {
      return true;
    }
  }
  return false;
}

}  // namespace

admin::CompareHomesResponse FindDifferences(const std::vector<std::vector<env::NodeId>>& homes,
                                            const std::map<env::NodeId, SumsOfHome>& heard) {
  admin::CompareHomesResponse response;
  response.set_compared(static_cast<uint32_t>(homes.size()));
  std::set<env::NodeId> silent;
  for (uint32_t partition = 0; partition < homes.size(); ++partition) {
    std::vector<const std::map<uint32_t, Sum>*> keys;
    std::vector<const std::map<uint32_t, Sum>*> chunks;
    bool all_heard = true;
    for (const env::NodeId home : homes[partition]) {
      const auto found = heard.find(home);
      if (found == heard.end()) {
        silent.insert(home);
        all_heard = false;
        continue;
      }
      keys.push_back(&found->second.keys);
      chunks.push_back(&found->second.chunks);
    }
    const bool keys_differ = Differ(keys, partition);
    const bool chunks_differ = Differ(chunks, partition);
    if (all_heard && !keys_differ && !chunks_differ) {
      continue;
    }
    admin::PartitionOfHomes* const line = response.add_partitions();
    line->set_partition(partition);
    line->set_differs_in_keys(keys_differ);
    line->set_differs_in_chunks(chunks_differ);
    for (const env::NodeId home : homes[partition]) {
      admin::HomeSums* const sums = line->add_homes();
      sums->set_node_id(home);
      if (const auto found = heard.find(home); found != heard.end()) {
        sums->set_keys(Encoded(found->second.keys.at(partition)));
        sums->set_chunks(Encoded(found->second.chunks.at(partition)));
      }
    }
  }
  for (const env::NodeId home : silent) {
    response.add_silent(home);
  }
  return response;
}

Task<admin::CompareHomesResponse> CompareHomes(const replication::Placement* placement,
                                               replication::Peers* peers, uint32_t partition_bits,
                                               std::shared_ptr<const membership::View> alive,
                                               int64_t micros) {
  std::vector<std::vector<env::NodeId>> homes;
  std::map<env::NodeId, std::vector<uint32_t>> partitions;
  for (uint32_t partition = 0; partition >> partition_bits == 0; ++partition) {
    homes.push_back(placement->HomesOf(partition));
    for (const env::NodeId home : homes.back()) {
      partitions[home].push_back(partition);
    }
  }
  std::vector<env::NodeId> asked;
  std::vector<Task<Result<SumsOfHome>>> answers;  // all at once
  for (const auto& [home, kept] : partitions) {
    if (!alive->IsAlive(home)) {
      continue;
    }
    asked.push_back(home);
    answers.push_back(AskHome(peers, home, kept, partition_bits, micros));
  }
  std::map<env::NodeId, SumsOfHome> heard;
  for (size_t i = 0; i < asked.size(); ++i) {
    Task<Result<SumsOfHome>>& one = answers[i];
    auto answer = co_await one;
    if (answer.ok()) {
      heard[asked[i]] = std::move(*answer);
    }
  }
  co_return FindDifferences(homes, heard);
}

}  // namespace kvfs::ops
