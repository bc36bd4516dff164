#include "kvcore/client/layout_placement.h"

#include <set>
#include <string>

#include "kvcore/ring/compute_layout.h"

namespace kvfs::client {

Result<LayoutPlacement> LayoutPlacement::Of(std::vector<ring::Member> members, uint32_t replicas,
                                            uint32_t partition_bits) {
  constexpr char kDatacentre[] = "here";
  ring::LayoutSpec spec;
  spec.partition_bits = partition_bits;
  std::set<std::string> datacentres;
  for (ring::Member& member : members) {
    if (member.datacentre.empty()) {
      member.datacentre = kDatacentre;
    }
    if (datacentres.insert(member.datacentre).second) {
      ring::Datacentre datacentre;
      datacentre.name = member.datacentre;
      datacentre.replication_factor = replicas;
      spec.datacentres.push_back(std::move(datacentre));
    }
  }
  spec.members = std::move(members);
  KVFS_ASSIGN_OR_RETURN(ring::Layout layout, ring::ComputeLayout(std::move(spec), nullptr));
  return LayoutPlacement(std::move(layout));
}

Result<LayoutPlacement> LayoutPlacement::Of(const std::vector<env::NodeId>& nodes,
                                            uint32_t replicas, uint32_t partition_bits) {
  std::vector<ring::Member> members;
  for (const env::NodeId node : nodes) {
    ring::Member member;
    member.node = node;
    members.push_back(std::move(member));
  }
  return Of(std::move(members), replicas, partition_bits);
}

}  // namespace kvfs::client
