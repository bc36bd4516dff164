// What is told of a cluster, from the layout, from what one node believes of the others and from
// what they report of themselves: states, counts, and warnings with what to do. Pure.
#pragma once

#include <vector>

#include "kvcore/membership/view.h"
#include "kvcore/proto/admin.pb.h"
#include "kvcore/ring/layout.h"

namespace kvfs::ops {

// A line for each member of the layout and each node in the view, ascending by number.
std::vector<admin::NodeStatus> DescribeNodes(const ring::Layout& layout,
                                             const membership::View& view);

// Puts what a node has reported of itself into its line.
void AddReport(const admin::NodeStatus& report, admin::NodeStatus* line);

// The sums, and what is wrong. `lines`: of DescribeNodes, reports added.
admin::ClusterStatus Summarise(const ring::Layout& layout,
                               const std::vector<admin::NodeStatus>& lines);

}  // namespace kvfs::ops
