// ClusterStore: the connection of a mount to a cluster: message bus, requests and replies, and
// the client on them. The nodes are found through any that answers.
//
// Owned by the composition root, which closes it before it goes. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::tools {

class ClusterStore {
 public:
  // `peers`: addresses of nodes. kUnavailable: none answers, or no majority.
  static Result<std::unique_ptr<ClusterStore>> Connect(const std::vector<std::string>& peers,
                                                       const std::string& cluster, env::Env env);
  virtual ~ClusterStore() = default;

  virtual client::Client* client() = 0;
  // Returns when nothing runs. No call may come afterwards.
  virtual void Close() = 0;
};

}  // namespace kvfs::tools
