// When a transition from one layout to the next is over: every partition that moves is with its new
// replicas. Pure functions.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "kvcore/ring/ring_view.h"

namespace kvfs::ring {

// Of each node the partitions of which it holds everything that a majority of the old replicas held
// after they had learnt of the transition, on its disk.
using Moved = std::map<NodeId, std::set<uint32_t>>;

// The partitions that move and are not yet with a majority of their new replicas, or not with one
// that is there (`is_alive`): who is there is waited for, who is dead is not.
std::set<uint32_t> StillMoving(const RingView& view, const Moved& moved,
                               const std::function<bool(NodeId)>& is_alive);

}  // namespace kvfs::ring
