#include "kvcore/ring/difference.h"

#include <algorithm>

namespace kvfs::ring {
namespace {

std::string Differs(const std::string& what, const std::string& here, const std::string& there) {
  return what + " is " + here + " here, " + there + " there";
}
std::string Quoted(const std::string& name) { return "'" + name + "'"; }

const Member* Find(const LayoutSpec& spec, NodeId node) {
  const auto at = std::find_if(spec.members.begin(), spec.members.end(),
                               [&](const Member& member) { return member.node == node; });
  return at == spec.members.end() ? nullptr : &*at;
}
const Datacentre* Find(const LayoutSpec& spec, const std::string& name) {
  const auto at =
      std::find_if(spec.datacentres.begin(), spec.datacentres.end(),
                   [&](const Datacentre& datacentre) { return datacentre.name == name; });
  return at == spec.datacentres.end() ? nullptr : &*at;
}

std::string Compare(const Member& here, const Member& there) {
  const std::string node = " of node " + std::to_string(here.node);
  if (here.zone != there.zone) {
    return Differs("the zone" + node, Quoted(here.zone), Quoted(there.zone));
  }
  if (here.datacentre != there.datacentre) {
    return Differs("the datacentre" + node, Quoted(here.datacentre), Quoted(there.datacentre));
  }
  if (here.weight != there.weight) {
    return Differs("the weight" + node, std::to_string(here.weight), std::to_string(there.weight));
  }
  return "";
}

}  // namespace

std::string DifferenceBetween(const LayoutSpec& here, const LayoutSpec& there) {
  if (here.partition_bits != there.partition_bits) {
    return Differs("the number of partitions", std::to_string(1u << here.partition_bits),
                   std::to_string(1u << there.partition_bits));
  }
  for (const Member& member : here.members) {
    const Member* const other = Find(there, member.node);
    if (other == nullptr) {
      return "node " + std::to_string(member.node) + " is a member here, not there";
    }
    if (std::string difference = Compare(member, *other); !difference.empty()) {
      return difference;
    }
  }
  for (const Member& member : there.members) {
    if (Find(here, member.node) == nullptr) {
      return "node " + std::to_string(member.node) + " is a member there, not here";
    }
  }
  for (const Datacentre& datacentre : here.datacentres) {
    const Datacentre* const other = Find(there, datacentre.name);
    if (other != nullptr && other->replication_factor != datacentre.replication_factor) {
      return Differs("the number of replicas in datacentre " + Quoted(datacentre.name),
                     std::to_string(datacentre.replication_factor),
                     std::to_string(other->replication_factor));
    }
    if (other == nullptr) {
      return "datacentre " + Quoted(datacentre.name) + " is known here, not there";
    }
  }
  for (const Datacentre& datacentre : there.datacentres) {
    if (Find(here, datacentre.name) == nullptr) {
      return "datacentre " + Quoted(datacentre.name) + " is known there, not here";
    }
  }
  return "";
}

}  // namespace kvfs::ring
