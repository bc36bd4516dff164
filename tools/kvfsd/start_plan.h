// StartPlan: what a node begins with: the layout, and whom it knows. From the list of its members
// or, where it joins, from what any member says.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kvcore/env/env.h"
#include "kvcore/membership/view.h"
#include "kvcore/ring/layout.h"
#include "tools/cluster/security.h"
#include "tools/kvfsd/node_service.h"

namespace kvfs::tools {

struct StartPlan {
  ring::Layout layout;
  membership::Peer self;
  std::vector<membership::Peer> known;       // this node perhaps among them
  std::map<std::string, env::NodeId> seeds;  // addresses to ask for others; node 0: not known
};

// REQUIRES: options that CheckNodeServiceOptions takes. kUnavailable: nobody answers whom to join.
Result<StartPlan> PlanStart(const NodeServiceOptions& options, const Security& security,
                            env::Env env);

}  // namespace kvfs::tools
