// Who a cluster is, as command lines say it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::tools {

inline constexpr char kDefaultCluster[] = "kvfs";
inline constexpr size_t kMaxNodes = 4096;

inline constexpr uint32_t kMaxNodeWeight = 1'000'000;
inline constexpr size_t kMaxPlaceName = 64;

struct NodeAddress {
  uint64_t node = 0;    // not 0
  std::string address;  // "host:port", an IPv6 host in brackets
  std::string zone;     // what fails together; may be empty
  std::string datacentre;
  uint32_t weight = 1;  // share of the partitions; 0: keeps none

  bool operator==(const NodeAddress&) const = default;
};

// "1=host:port,2=host:port/zone=a/datacentre=d/weight=2": distinct nodes at distinct addresses.
// kInvalidArgument naming the word that is wrong.
Result<std::vector<NodeAddress>> ParseMembers(std::string_view list);
// "4/zone=a/weight=2": a node without an address.
Result<NodeAddress> ParseNodePlace(std::string_view word);
// "host:port,host:port", each perhaps with its number: "1=host:port"; else node is 0.
Result<std::vector<NodeAddress>> ParsePeers(std::string_view list);
// kInvalidArgument: not "host:port".
Status CheckAddress(std::string_view address);

// kInvalidArgument: a zone or datacentre has at most 64 letters, digits, dots, dashes or
// underscores.
Status CheckPlaceName(std::string_view name);

// 16 bytes. Clusters of different names do not hear each other. kInvalidArgument: a name has 1 to
// 64 bytes.
Result<Bytes> ClusterIdOf(std::string_view name);

}  // namespace kvfs::tools
