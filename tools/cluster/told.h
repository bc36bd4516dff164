// What nodes say of their cluster: its layout, and where everybody is reached.
#pragma once

#include <vector>

#include "kvcore/ring/layout.h"
#include "tools/cluster/connection.h"
#include "tools/common/members.h"

namespace kvfs::tools {

struct ToldCluster {
  ring::Layout layout;
  std::vector<NodeAddress> nodes;  // members of the layout, and others that have come
};

// kUnavailable: none of those found tells anything that can be understood.
Result<ToldCluster> AskForCluster(ClusterConnection* connection);

}  // namespace kvfs::tools
