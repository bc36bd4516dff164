// StartPlan: what a node begins with: the layout, and whom it knows. From the list of its members
// or, where it joins, from what any member says.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kvcore/env/env.h"
#include "kvcore/membership/view.h"
#include "kvcore/ring/ring_view.h"
#include "tools/cluster/security.h"
#include "tools/kvfsd/node_service.h"

namespace kvfs::tools {

struct StartPlan {
  ring::RingView layouts;
  bool layouts_are_told = false;  // by a node of the cluster
  membership::Peer self;
  std::vector<membership::Peer> known;       // this node perhaps among them
  std::map<std::string, env::NodeId> seeds;  // addresses to ask for others; node 0: not known
};

// REQUIRES: options that CheckNodeServiceOptions takes. kUnavailable: nobody answers whom to join.
Result<StartPlan> PlanStart(const NodeServiceOptions& options, const Security& security,
                            env::Env env);

}  // namespace kvfs::tools
