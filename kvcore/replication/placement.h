// Placement: which nodes are the homes of a partition. The node makes it from the ring; the
// homes do not change while it is used. Thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/env/message_bus.h"

namespace kvfs::replication {

class Placement {
 public:
  virtual ~Placement() = default;
  // In order of preference: the first is the primary while it can be reached. At least one.
  virtual std::vector<env::NodeId> HomesOf(uint32_t partition) const = 0;
};

}  // namespace kvfs::replication
