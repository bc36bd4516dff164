// ClusterStore: the store of a mount that is a cluster: a connection to it, and the client on that.
//
// Owned by the composition root, which closes it before it goes. Thread-safe.
#pragma once

#include <memory>

#include "kvcore/base/status.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"
#include "tools/cluster/connection.h"

namespace kvfs::tools {

class ClusterStore {
 public:
  // kUnavailable: none of the peers answers, or no majority of the nodes.
  static Result<std::unique_ptr<ClusterStore>> Connect(ConnectionOptions options, env::Env env);
  virtual ~ClusterStore() = default;

  virtual client::Client* client() = 0;
  // Returns when nothing runs. No call may come afterwards.
  virtual void Close() = 0;
};

}  // namespace kvfs::tools
