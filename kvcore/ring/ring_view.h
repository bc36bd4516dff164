// RingView: the layouts in force at one moment, one or, in transition, two, and what follows
// from them for a partition. A value; whoever shares one replaces it whole.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "kvcore/ring/layout.h"

namespace kvfs::ring {

// Which layouts are in force: `id` alone or, in a transition, with the one before it. The order of
// versions is the order in which they come.
struct LayoutStage {
  LayoutId id;
  bool in_transition = false;

  uint64_t version() const { return 2 * id.number + (in_transition ? 0 : 1); }
  bool operator==(const LayoutStage&) const = default;
};

// Who has to agree on a partition in one layout.
struct ReplicaSet {
  LayoutId layout;
  std::vector<NodeId> nodes;  // the preference list, primary first
};

class RingView {
 public:
  explicit RingView(std::shared_ptr<const Layout> current);

  // A transition: from now on both count. REQUIRES: none is under way; next->id().number is the
  // one behind current's, with as many partitions.
  void Begin(std::shared_ptr<const Layout> next);
  const Layout& current() const { return *current_; }
  const Layout* next() const { return next_.get(); }  // null: no transition
  const Layout& newest() const { return next_ ? *next_ : *current_; }
  std::shared_ptr<const Layout> shared_newest() const { return next_ ? next_ : current_; }
  LayoutStage stage() const { return {newest().id(), next_ != nullptr}; }
  // Whether other nodes keep the partition in the next layout than in the current one.
  bool Moves(uint32_t partition) const;
  // Members of the layouts in force that keep something, ascending.
  std::vector<NodeId> Keepers() const;

  uint32_t PartitionOf(uint16_t place) const {
    const uint32_t bits = current_->spec().partition_bits;
    return bits == 0 ? 0 : uint32_t{place} >> (16 - bits);
  }

  // A quorum is needed in each of these: one set, or two in a transition (also where both
  // name the same nodes).
  std::vector<ReplicaSet> ReplicaSets(uint32_t partition) const;

  // Everybody named by ReplicaSets, once, in the order in which they are to be asked to be the
  // primary: those of the old layout come first, as they have the data.
  std::vector<NodeId> PreferenceList(uint32_t partition) const;

  // Up to `limit` nodes that can stand in: those met first when going on clockwise from the
  // partition, which are none of its PreferenceList; of those rather the ones in zones not used yet
  // by it or by an earlier fallback. Members without a weight come last. `datacentre`: only
  // there; empty: anywhere.
  std::vector<NodeId> Fallbacks(uint32_t partition, size_t limit,
                                std::string_view datacentre = {}) const;

 private:
  std::shared_ptr<const Layout> current_;
  std::shared_ptr<const Layout> next_;
};

}  // namespace kvfs::ring
