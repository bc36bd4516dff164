// The last step of an assignment: exchanges between nodes that leave all their shares as they are
// and bring replicas back to where they were before.
#include <algorithm>
#include <optional>

#include "kvcore/ring/assignment.h"

namespace kvfs::ring {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
// The table below takes six bytes for each pair of nodes.
constexpr size_t kMaxNodes = 2048;

// For each ordered pair of nodes the partition whose move from the one to the other costs least.
class MoveTable {
 public:
  static constexpr int8_t kCannot = 2;

  explicit MoveTable(size_t nodes)
      : nodes_(nodes), costs_(nodes * nodes, kCannot), partitions_(nodes * nodes) {}
  void Offer(uint32_t from, uint32_t to, int8_t cost, uint32_t partition) {
    int8_t& best = costs_[from * nodes_ + to];
    if (cost < best) {
      best = cost;
      partitions_[from * nodes_ + to] = partition;
    }
  }
  uint32_t PartitionOf(uint32_t from, uint32_t to) const { return partitions_[from * nodes_ + to]; }

  // A cycle of moves with a cost below zero, as the nodes it goes through; Bellman-Ford, where a
  // cycle among the predecessors is such a one.
  std::optional<std::vector<uint32_t>> FindNegativeCycle() const {
    std::vector<int32_t> distance(nodes_);
    std::vector<uint32_t> before(nodes_, kNone);
    for (bool changed = true; changed;) {
      changed = false;
      for (uint32_t from = 0; from < nodes_; ++from) {
        const int8_t* row = &costs_[from * nodes_];
        for (uint32_t to = 0; to < nodes_; ++to) {
          if (row[to] != kCannot && distance[from] + row[to] < distance[to]) {
            distance[to] = distance[from] + row[to];
            before[to] = from;
            changed = true;
          }
        }
      }
      if (auto cycle = CycleOf(before)) {
        return cycle;
      }
    }
    return std::nullopt;
  }

 private:
  std::optional<std::vector<uint32_t>> CycleOf(const std::vector<uint32_t>& before) const {
    std::vector<uint32_t> seen_from(nodes_, kNone);
    for (uint32_t start = 0; start < nodes_; ++start) {
      uint32_t node = start;
      while (node != kNone && seen_from[node] == kNone) {
        seen_from[node] = start;
        node = before[node];
      }
      if (node == kNone || seen_from[node] != start) {
        continue;
      }
      std::vector<uint32_t> cycle = {node};
      for (uint32_t at = before[node]; at != node; at = before[at]) {
        cycle.push_back(at);
      }
      std::reverse(cycle.begin(), cycle.end());
      return cycle;
    }
    return std::nullopt;
  }

  const size_t nodes_;
  std::vector<int8_t> costs_;
  std::vector<uint32_t> partitions_;
};

}  // namespace

bool Assignment::IsNew(uint32_t partition, uint32_t node) const {
  const auto& kept = kept_[partition];
  return std::find(kept.begin(), kept.end(), node) == kept.end();
}

// Carries out one cycle that saves moves; false: there is none.
bool Assignment::CancelCycles() {
  const auto nodes = static_cast<uint32_t>(load_.size());
  if (nodes > kMaxNodes) {
    return false;
  }
  MoveTable table(nodes);
  bool may_save = false;
  for (uint32_t p = 0; p < problem_.partitions; ++p) {
    for (const uint32_t from : replicas_[p]) {
      const int was_new = IsNew(p, from) ? 1 : 0;
      std::vector<signed char> zone_may(problem_.zones, -1);
      for (uint32_t to = 0; to < nodes; ++to) {
        signed char& may = zone_may[ZoneOf(to)];
        if (may < 0) {
          may = MayMove(p, ZoneOf(from), ZoneOf(to));
        }
        if (may != 0 && !Has(p, to)) {
          const int cost = (IsNew(p, to) ? 1 : 0) - was_new;
          table.Offer(from, to, static_cast<int8_t>(cost), p);
          may_save = may_save || cost < 0;
        }
      }
    }
  }
  if (!may_save) {
    return false;
  }
  const auto cycle = table.FindNegativeCycle();
  if (!cycle) {
    return false;
  }
  // The moves of one cycle bind each other only where they move the same partition twice.
  const auto before = replicas_;
  const auto load_before = load_;
  for (size_t i = 0; i < cycle->size(); ++i) {
    const uint32_t from = (*cycle)[i];
    const uint32_t to = (*cycle)[(i + 1) % cycle->size()];
    const uint32_t p = table.PartitionOf(from, to);
    if (!Has(p, from) || Has(p, to) || !MayMove(p, ZoneOf(from), ZoneOf(to))) {
      replicas_ = before;
      load_ = load_before;
      return false;
    }
    Remove(p, from);
    Add(p, to);
  }
  return true;
}

}  // namespace kvfs::ring
