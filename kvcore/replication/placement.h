// Placement: which nodes are the homes of a partition, and who of them has to agree. The node makes
// it from the layouts in force, which may change while it is used. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "kvcore/env/message_bus.h"

namespace kvfs::replication {

// The homes of a partition, and the sets of them of each of which a majority is needed: one set or,
// while a layout takes the place of another, those of both.
struct Electorate {
  Electorate() = default;
  // One set. Implicit: what does not change has nothing else to say.
  Electorate(std::vector<env::NodeId> all)  // NOLINT(google-explicit-constructor)
      : homes(std::move(all)), sets{homes} {}

  // Whether those for which `holds(node)` are a majority of each set.
  template <typename Holds>
  bool HasMajority(const Holds& holds) const {
    return std::all_of(sets.begin(), sets.end(), [&](const std::vector<env::NodeId>& set) {
      return static_cast<size_t>(std::count_if(set.begin(), set.end(), holds)) > set.size() / 2;
    });
  }
  bool Includes(env::NodeId node) const {
    return std::find(homes.begin(), homes.end(), node) != homes.end();
  }

  std::vector<env::NodeId> homes;  // of all sets, in order of preference
  std::vector<std::vector<env::NodeId>> sets;
  uint64_t version = 0;  // of the layouts in force, as Placement::Version
};

class Placement {
 public:
  virtual ~Placement() = default;
  // In order of preference: the first is the primary while it can be reached. At least one.
  virtual std::vector<env::NodeId> HomesOf(uint32_t partition) const = 0;
  virtual Electorate ElectorateOf(uint32_t partition) const {
    return Electorate(HomesOf(partition));
  }
  // Of the layouts in force; it grows with each change. What was counted by an older one than the
  // present does not count.
  virtual uint64_t Version() const { return 0; }
};

}  // namespace kvfs::replication
