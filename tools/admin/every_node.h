// The same question to every node of a cluster, through the one that answers.
#pragma once

#include <vector>

#include "tools/admin/ask.h"

namespace kvfs::tools {

struct NodeAnswer {
  uint64_t node = 0;
  Result<ops::AdminResponse> response = Status::Unavailable("not asked");
};

// In the order of their numbers; those that are believed to be away are not asked. Where `asker` is
// no node of a cluster but a mount, it alone is asked, as node 0.
Result<std::vector<NodeAnswer>> AskEveryNode(Asker* asker, const ops::AdminRequest& request);

}  // namespace kvfs::tools
