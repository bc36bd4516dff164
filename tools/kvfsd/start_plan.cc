#include "tools/kvfsd/start_plan.h"

#include <memory>
#include <utility>

#include "kvcore/client/layout_placement.h"
#include "tools/cluster/told.h"

namespace kvfs::tools {
namespace {

constexpr uint32_t kPartitionBits = 8;

membership::Peer PeerOf(const NodeAddress& node) {
  membership::Peer peer;
  peer.node = node.node;
  peer.incarnation = 1;
  peer.address = node.address;
  peer.zone = node.zone;
  peer.datacentre = node.datacentre;
  return peer;
}

Result<StartPlan> PlanOfMembers(const NodeServiceOptions& options) {
  std::vector<ring::Member> members;
  for (const NodeAddress& node : options.members) {
    ring::Member member;
    member.node = node.node;
    member.weight = node.weight;
    member.zone = node.zone;
    member.datacentre = node.datacentre;
    members.push_back(std::move(member));
  }
  KVFS_ASSIGN_OR_RETURN(
      const auto placement,
      client::LayoutPlacement::Of(std::move(members), options.replicas, kPartitionBits));
  auto first = std::make_shared<const ring::Layout>(placement.layout());
  StartPlan plan{ring::RingView(std::move(first)), false, {}, {}, {}};
  for (const NodeAddress& node : options.members) {
    membership::Peer peer = PeerOf(node);
    if (node.node == options.node) {
      plan.self = peer;
    }
    plan.known.push_back(std::move(peer));
  }
  return plan;
}

Result<StartPlan> PlanOfJoin(const NodeServiceOptions& options, const Security& security,
                             env::Env env) {
  ConnectionOptions connection_options;
  connection_options.peers = options.join;
  connection_options.cluster = options.cluster;
  connection_options.security = security;
  KVFS_ASSIGN_OR_RETURN(const auto connection,
                        ClusterConnection::Connect(std::move(connection_options), env));
  auto told = AskForCluster(connection.get());
  connection->Close();
  KVFS_RETURN_IF_ERROR(told.status());
  StartPlan plan{std::move(told->layouts), true, {}, {}, {}};
  const ring::Layout& layout = plan.layouts.newest();
  NodeAddress self;
  self.node = options.node;
  self.address = options.listen;
  self.zone = options.zone;
  self.datacentre = options.datacentre;
  plan.self = PeerOf(self);
  for (NodeAddress& node : told->nodes) {
    // Where they stand the layout says, as far as they are in it; the rest they say themselves.
    if (const ring::Member* const member = layout.FindMember(node.node)) {
      node.zone = member->zone;
      node.datacentre = member->datacentre;
    }
    plan.known.push_back(PeerOf(node));
  }
  if (const ring::Member* const member = layout.FindMember(options.node)) {
    plan.self.zone = member->zone;
    plan.self.datacentre = member->datacentre;
  }
  for (const NodeAddress& seed : options.join) {
    plan.seeds[seed.address] = seed.node;
  }
  return plan;
}

}  // namespace

Result<StartPlan> PlanStart(const NodeServiceOptions& options, const Security& security,
                            env::Env env) {
  return options.join.empty() ? PlanOfMembers(options) : PlanOfJoin(options, security, env);
}

}  // namespace kvfs::tools
