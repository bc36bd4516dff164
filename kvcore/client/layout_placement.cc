#include "kvcore/client/layout_placement.h"

#include "kvcore/ring/compute_layout.h"

namespace kvfs::client {

Result<LayoutPlacement> LayoutPlacement::Of(const std::vector<env::NodeId>& nodes,
                                            uint32_t replicas, uint32_t partition_bits) {
  constexpr char kDatacentre[] = "here";
  ring::LayoutSpec spec;
  spec.partition_bits = partition_bits;
  ring::Datacentre datacentre;
  datacentre.name = kDatacentre;
  datacentre.replication_factor = replicas;
  spec.datacentres.push_back(std::move(datacentre));
  for (const env::NodeId node : nodes) {
    ring::Member member;
    member.node = node;
    member.datacentre = kDatacentre;
    spec.members.push_back(std::move(member));
  }
  KVFS_ASSIGN_OR_RETURN(ring::Layout layout, ring::ComputeLayout(std::move(spec), nullptr));
  return LayoutPlacement(std::move(layout));
}

}  // namespace kvfs::client
