// ClusterConnection: what a program that is no node needs to ask nodes: message bus, requests and
// replies. The nodes are found through any that answers.
//
// Owned by whoever asks, who closes it before it goes. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/env/env.h"
#include "kvcore/node/rpc.h"
#include "kvcore/replication/peers.h"
#include "kvcore/ring/ring_view.h"
#include "tools/cluster/security.h"
#include "tools/common/members.h"

namespace kvfs::tools {

struct ConnectionOptions {
  std::vector<NodeAddress> peers;  // with keys: with their numbers
  Security security;
  std::string cluster;           // its name
  node::Rpc::Notices notices;    // what nodes tell one way
  node::Rpc::Newer newer;        // told who goes by newer layouts; may be empty
  int64_t find_millis = 30'000;  // how long to wait for the first that answers
};

class ClusterConnection {
 public:
  // kUnavailable: none of the peers answers. kInvalidArgument: with keys, a peer without a number
  // or whose key is not known.
  static Result<std::unique_ptr<ClusterConnection>> Connect(ConnectionOptions options,
                                                            env::Env env);
  virtual ~ClusterConnection() = default;

  // Those that have answered first, with their addresses; never empty.
  virtual const std::map<env::NodeId, std::string>& found() const = 0;
  virtual const Bytes& cluster_id() const = 0;
  virtual replication::Peers* peers() = 0;
  virtual void SetPeer(env::NodeId node, const std::string& address) = 0;
  // Requests from now on go to whom these layouts name.
  virtual void SetLayout(const ring::LayoutStage& layout) = 0;
  // What still waits for an answer is ended. Returns when nothing runs.
  virtual void Close() = 0;
};

}  // namespace kvfs::tools
