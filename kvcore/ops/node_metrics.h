// The metrics of a node of a cluster: requests, hints, repair, membership. What the parts of the
// node count is only given names here.
#pragma once

#include "kvcore/node/cluster_node.h"
#include "kvcore/ops/metrics.h"

namespace kvfs::ops {

// REQUIRES: the node is started. Engine metrics are not among them.
void AddNodeMetrics(node::ClusterNode* node, MetricList* list);

// What a node keeps for others that were away.
Result<admin::HintsResponse> DescribeHints(node::ClusterNode* node);

}  // namespace kvfs::ops
