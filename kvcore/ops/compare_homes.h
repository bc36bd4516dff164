// Whether all homes of each partition hold the same, by the sums of what they hold
// (doc/antientropy.md): a few bytes for each partition and home prove it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "kvcore/antientropy/sum.h"
#include "kvcore/base/task.h"
#include "kvcore/membership/view.h"
#include "kvcore/proto/admin.pb.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"

namespace kvfs::ops {

// What a home holds of its partitions.
struct SumsOfHome {
  std::map<uint32_t, antientropy::Sum> keys;
  std::map<uint32_t, antientropy::Sum> chunks;
};

// `heard`: of the homes that answered. Pure.
admin::CompareHomesResponse FindDifferences(const std::vector<std::vector<env::NodeId>>& homes,
                                            const std::map<env::NodeId, SumsOfHome>& heard);

// Asks all homes at once, each for at most `micros`; those that are not `alive` are not asked.
// Borrowed parts, which live as long as the task.
Task<admin::CompareHomesResponse> CompareHomes(const replication::Placement* placement,
                                               replication::Peers* peers, uint32_t partition_bits,
                                               std::shared_ptr<const membership::View> alive,
                                               int64_t micros);

}  // namespace kvfs::ops
