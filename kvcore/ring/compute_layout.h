// Computes layouts. Deterministic: the same spec and previous layout give the same layout.
#pragma once

#include "kvcore/ring/layout.h"

namespace kvfs::ring {

// The layout after `previous` (null: the first) for these members.
//   - each partition has, in each datacentre, min(N, members with a weight) replicas on distinct
//     nodes, in as many distinct zones as there can be;
//   - each member keeps its share by weight, as far as that allows, to within one partition;
//   - hardly more moves than these shares require;
//   - the first places of the preference lists (primaries) are shared out by weight too, and over
//     the datacentres in turn.
// kInvalidArgument: Validate's reasons, or another number of partitions than before.
Result<Layout> ComputeLayout(LayoutSpec spec, const Layout* previous);

}  // namespace kvfs::ring
