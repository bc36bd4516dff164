// Layout: which nodes keep which partition, as agreed by the cluster.
//
// A layout is what a computation made of a LayoutSpec (who takes part, how heavily, where
// they stand) and the layout before it. It is known by its number and a hash over its
// canonical encoding (doc/formats/layout.md). Values, no synchronisation.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/env/message_bus.h"

namespace kvfs::ring {

using env::NodeId;

inline constexpr uint32_t kMaxPartitionBits = 16;
inline constexpr size_t kMaxMembers = 4096;
inline constexpr size_t kMaxDatacentres = 64;
inline constexpr uint32_t kMaxReplicationFactor = 16;  // in one datacentre
inline constexpr uint32_t kMaxWeight = 1'000'000;
inline constexpr size_t kMaxNameBytes = 64;  // of a zone or a datacentre

// One number means one layout, ever; the hash finds out when that was broken.
struct LayoutId {
  uint64_t number = 0;  // from 1
  uint64_t hash = 0;

  auto operator<=>(const LayoutId&) const = default;
};

struct Datacentre {
  std::string name;                 // 1..64 bytes
  uint32_t replication_factor = 3;  // N here: replicas of each partition; 0: none

  bool operator==(const Datacentre&) const = default;
};

struct Member {
  NodeId node = 0;  // not 0
  uint32_t weight =
      1;  // share of the partitions; 0: keeps none (it is drained, or only coordinates)
  std::string datacentre;
  std::string zone;  // what fails together inside the datacentre; may be empty

  bool operator==(const Member&) const = default;
};

// What people decide about a cluster.
struct LayoutSpec {
  uint32_t partition_bits = 8;  // 2^k partitions, for the life of the cluster
  std::vector<Datacentre> datacentres;
  std::vector<Member> members;

  bool operator==(const LayoutSpec&) const = default;
};

// kInvalidArgument: a bound is broken, a name or node appears twice, a datacentre is unknown, or
// nobody may keep a partition.
Status Validate(const LayoutSpec& spec);

class Layout {
 public:
  // `replicas`: for each partition, in order, the indices in spec.members of its preference list.
  // REQUIRES: what Decode would accept. Datacentres are ordered by name, members by node.
  Layout(uint64_t number, LayoutSpec spec, std::vector<uint16_t> replicas);

  const LayoutId& id() const { return id_; }
  const LayoutSpec& spec() const { return spec_; }
  uint32_t partition_count() const { return 1u << spec_.partition_bits; }
  const std::vector<Member>& members() const { return spec_.members; }
  const Member* FindMember(NodeId node) const;

  // How many replicas each partition has: over all datacentres, min(N, members with a weight).
  size_t replica_count() const { return replica_count_; }
  // Members that keep the partition, as indices in members(): its preference list, primary first.
  std::span<const uint16_t> Replicas(uint32_t partition) const {
    return std::span(replicas_).subspan(partition * replica_count_, replica_count_);
  }
  std::vector<NodeId> PreferenceList(uint32_t partition) const;
  bool Keeps(NodeId node, uint32_t partition) const;
  // How many partitions each member keeps, as members() is ordered.
  std::vector<uint32_t> PartitionsPerMember() const;

  bool operator==(const Layout& other) const {
    return id_ == other.id_ && spec_ == other.spec_ && replicas_ == other.replicas_;
  }

 private:
  LayoutId id_;
  LayoutSpec spec_;
  size_t replica_count_;
  std::vector<uint16_t> replicas_;
};

// min(N, members with a weight), summed over the datacentres. REQUIRES: a valid spec.
size_t ReplicaCount(const LayoutSpec& spec);

// The canonical encoding. Decoding takes hostile input (kCorruption) and builds nothing larger than
// a small multiple of it.
Bytes Encode(const Layout& layout);
Result<Layout> DecodeLayout(ByteView in);

}  // namespace kvfs::ring
