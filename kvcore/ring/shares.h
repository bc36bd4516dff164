// How many partitions each node of one datacentre should keep. Pure arithmetic, in integers:
// the same everywhere.
#pragma once

#include <cstdint>
#include <vector>

namespace kvfs::ring {

// One node that may keep partitions.
struct Bearer {
  uint32_t weight = 1;  // not 0
  uint32_t zone = 0;    // below ShareProblem::zones
  uint32_t kept = 0;    // partitions it keeps now; decides only who gets the odd one
};

struct ShareProblem {
  uint32_t partitions = 1;
  uint32_t replicas = 1;  // of each partition, at most one a node; <= bearers.size()
  uint32_t zones = 1;     // each with a bearer
  std::vector<Bearer> bearers;
};

// How many replicas of one partition a zone has.
struct ZoneBounds {
  uint32_t least = 0;
  uint32_t most = 0;
};

struct Shares {
  std::vector<uint32_t> of_bearer;  // sums to partitions * replicas, none above partitions
  // With these bounds a layout with exactly these shares exists, in which each zone has as many
  // replicas of one partition as of another, but for one.
  std::vector<ZoneBounds> of_zone;
  // Wider: with these each partition still uses min(zones, replicas) zones.
  std::vector<ZoneBounds> bounds_of_zone;
};

// Proportional to the weights, as far as distinct nodes and zones allow: what is too much for one
// goes to the others, again by weight. Each share is the exact one, rounded up or down, so it is
// off by less than one partition.
Shares ComputeShares(const ShareProblem& problem);

}  // namespace kvfs::ring
