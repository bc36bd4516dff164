#include "kvcore/ring/layout.h"

#include <algorithm>
#include <cassert>
#include <set>
#include <unordered_set>

#include "kvcore/base/coding.h"
#include "kvcore/base/hash.h"

namespace kvfs::ring {
namespace {

Status Invalid(const std::string& what) { return Status::InvalidArgument("layout: " + what); }

bool IsName(const std::string& name) { return !name.empty() && name.size() <= kMaxNameBytes; }

uint32_t MembersWithWeight(const LayoutSpec& spec, const std::string& datacentre) {
  return static_cast<uint32_t>(
      std::count_if(spec.members.begin(), spec.members.end(),
                    [&](const Member& m) { return m.weight > 0 && m.datacentre == datacentre; }));
}

}  // namespace

Status Validate(const LayoutSpec& spec) {
  if (spec.partition_bits > kMaxPartitionBits) {
    return Invalid("at most 65,536 partitions");
  }
  if (spec.datacentres.empty() || spec.datacentres.size() > kMaxDatacentres) {
    return Invalid("1 to 64 datacentres");
  }
  if (spec.members.empty() || spec.members.size() > kMaxMembers) {
    return Invalid("1 to 4,096 members");
  }
  std::set<std::string> names;
  for (const Datacentre& datacentre : spec.datacentres) {
    if (!IsName(datacentre.name)) {
      return Invalid("the name of a datacentre has 1 to 64 bytes");
    }
    if (!names.insert(datacentre.name).second) {
      return Invalid("datacentre " + datacentre.name + " appears twice");
    }
    if (datacentre.replication_factor > kMaxReplicationFactor) {
      return Invalid("at most 16 replicas in one datacentre");
    }
  }
  std::unordered_set<NodeId> nodes;
  for (const Member& member : spec.members) {
    const std::string name = "node " + std::to_string(member.node);
    if (member.node == 0 || !nodes.insert(member.node).second) {
      return Invalid(name + (member.node == 0 ? " cannot be" : " appears twice"));
    }
    if (!names.contains(member.datacentre)) {
      return Invalid(name + " is in unknown datacentre " + member.datacentre);
    }
    if (member.zone.size() > kMaxNameBytes) {
      return Invalid("the name of a zone has at most 64 bytes");
    }
    if (member.weight > kMaxWeight) {
      return Invalid(name + " has a weight above 1,000,000");
    }
  }
  if (ReplicaCount(spec) == 0) {
    return Invalid("nobody may keep a partition");
  }
  return Status::Ok();
}

size_t ReplicaCount(const LayoutSpec& spec) {
  size_t count = 0;
  for (const Datacentre& datacentre : spec.datacentres) {
    count += std::min(datacentre.replication_factor, MembersWithWeight(spec, datacentre.name));
  }
  return count;
}

Layout::Layout(uint64_t number, LayoutSpec spec, std::vector<uint16_t> replicas)
    : id_{.number = number, .hash = 0},
      spec_(std::move(spec)),
      replica_count_(ReplicaCount(spec_)),
      replicas_(std::move(replicas)) {
  assert(replicas_.size() == replica_count_ * partition_count());
  const Sha256Digest digest = Sha256(Encode(*this));
  id_.hash = DecodeFixed64(reinterpret_cast<const char*>(digest.data()));
}

const Member* Layout::FindMember(NodeId node) const {
  const auto found = std::lower_bound(spec_.members.begin(), spec_.members.end(), node,
                                      [](const Member& m, NodeId n) { return m.node < n; });
  return found != spec_.members.end() && found->node == node ? &*found : nullptr;
}

std::vector<NodeId> Layout::PreferenceList(uint32_t partition) const {
  std::vector<NodeId> nodes;
  nodes.reserve(replica_count_);
  for (const uint16_t index : Replicas(partition)) {
    nodes.push_back(spec_.members[index].node);
  }
  return nodes;
}

bool Layout::Keeps(NodeId node, uint32_t partition) const {
  const auto replicas = Replicas(partition);
  return std::any_of(replicas.begin(), replicas.end(),
                     [&](uint16_t index) { return spec_.members[index].node == node; });
}

std::vector<uint32_t> Layout::PartitionsPerMember() const {
  std::vector<uint32_t> counts(spec_.members.size());
  for (const uint16_t index : replicas_) {
    ++counts[index];
  }
  return counts;
}

}  // namespace kvfs::ring
