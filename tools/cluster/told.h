// What nodes say of their cluster: its layouts, and where everybody is reached.
#pragma once

#include <vector>

#include "kvcore/ring/ring_view.h"
#include "tools/cluster/connection.h"
#include "tools/common/members.h"

namespace kvfs::tools {

struct ToldCluster {
  ring::RingView layouts;
  std::vector<NodeAddress> nodes;  // members of the layouts, and others that have come
};

// kUnavailable: none of those found tells anything that can be understood.
Result<ToldCluster> AskForCluster(ClusterConnection* connection);

}  // namespace kvfs::tools
