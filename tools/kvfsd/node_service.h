// NodeService: the composition root of kvfsd. Environment, node, message bus, put together in
// that order and taken down in the reverse.
//
// Made and used by the main thread of a process that has no other threads yet and blocks SIGTERM
// and SIGINT.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvcore/base/status.h"
#include "tools/common/members.h"

namespace kvfs::tools {

struct NodeServiceOptions {
  std::string data;
  uint64_t node = 0;
  // Either all members, or some of a cluster that is to be joined.
  std::vector<NodeAddress> members;
  std::vector<NodeAddress> join;
  // Empty: the node's address among the members. Where it joins: also where others reach it.
  std::string listen;
  // Where this node stands and how much it takes. Among members the list says it, and these must
  // say the same.
  std::string zone;
  std::string datacentre;
  std::optional<uint32_t> weight;
  // The own key pair, and who else is let in; both or none.
  std::string key_file;
  std::string allow_file;
  std::string cluster = kDefaultCluster;
  uint32_t replicas = 3;               // 1 .. 16
  uint64_t memory_bytes = 256u << 20;  // 64 MiB .. 1 TiB
  uint64_t capacity_bytes = 0;         // 0: the disk's
  bool insecure = false;
  std::string http;  // HOST:PORT for metrics, probes and the web page; empty: nowhere
};

// kInvalidArgument: bounds, or a node that is no member.
Status CheckNodeServiceOptions(const NodeServiceOptions& options);

class NodeService {
 public:
  // Takes requests when it returns.
  static Result<std::unique_ptr<NodeService>> Start(const NodeServiceOptions& options);
  virtual ~NodeService() = default;

  virtual const std::string& listen_address() const = 0;
  // Serves until SIGTERM or SIGINT comes, then ends what runs and makes everything durable.
  virtual Status Run() = 0;
};

}  // namespace kvfs::tools
