// Plans: what staged changes would do to a layout, before anybody decides. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvcore/ring/layout.h"

namespace kvfs::ring {

// One change that somebody wants. Staged changes are applied in their order.
struct Change {
  enum class Kind : uint8_t {
    kJoin,     // member.node comes, as `member` says
    kLeave,    // member.node goes
    kReplace,  // member.node comes in the place of `replaced`, with its weight, zone and datacentre
    kSet,      // member.node, which is there, gets this weight, zone and datacentre
    kSetDatacentre,  // `datacentre` comes, or gets this replication factor
  };
  Kind kind = Kind::kJoin;
  Member member;
  NodeId replaced = 0;
  Datacentre datacentre;
};

// kInvalidArgument: a change does not apply, or leaves what cannot be.
Result<LayoutSpec> ApplyChanges(LayoutSpec spec, const std::vector<Change>& changes);

// A partition that a member does not keep yet, and who could send it.
struct Transfer {
  uint32_t partition = 0;
  NodeId from = 0;  // one of those that keep it now, so that all have about the same to send
  NodeId to = 0;

  bool operator==(const Transfer&) const = default;
};

// For each partition whatever `next` adds; ordered by partition.
std::vector<Transfer> TransfersBetween(const Layout& current, const Layout& next);

struct Plan {
  Layout next;
  std::vector<Transfer> transfers;
};

Result<Plan> PlanChange(const Layout& current, const std::vector<Change>& changes);

// ---- for people ------------------------------------------------------------

// A line for each member: where it stands, its weight, how many partitions it keeps and leads.
std::string Picture(const Layout& layout);
// What the plan changes: partitions of each member before and after, and who sends how many to
// whom.
std::string Picture(const Layout& current, const Plan& plan);

}  // namespace kvfs::ring
