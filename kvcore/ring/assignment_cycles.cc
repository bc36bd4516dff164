// The last step of an assignment: exchanges between nodes that leave all their shares as they are
// and bring replicas back to where they were before; for that the zones may have their replicas a
// little less evenly. A cycle of negative cost in the residual
// graph of the flow is such an exchange (Klein's method for flows of least cost, 1967).
#include <algorithm>
#include <optional>
#include <utility>

#include "kvcore/ring/assignment.h"

namespace kvfs::ring {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
// Beyond so many edges only partitions that have moved are looked at: these are few where little
// changes, and without them a cycle is found that costs at most a few moves more.
constexpr size_t kMostEdges = 200'000;

// Edges with costs between numbered places.
class Graph {
 public:
  explicit Graph(uint32_t places) : places_(places) {}

  uint32_t NewPlace() { return places_++; }
  void Add(uint32_t from, uint32_t to, int cost) { edges_.push_back({from, to, cost}); }
  size_t edges() const { return edges_.size(); }

  // The places that a cycle with a cost below zero goes through, in order; Bellman-Ford, where a
  // cycle among the predecessors is such a one.
  std::optional<std::vector<uint32_t>> FindNegativeCycle() const {
    std::vector<int> distance(places_);
    std::vector<uint32_t> before(places_, kNone);
    for (bool changed = true; changed;) {
      changed = false;
      for (const Edge& edge : edges_) {
        if (distance[edge.from] + edge.cost < distance[edge.to]) {
          distance[edge.to] = distance[edge.from] + edge.cost;
          before[edge.to] = edge.from;
          changed = true;
        }
      }
      if (auto cycle = CycleOf(before)) {
        return cycle;
      }
    }
    return std::nullopt;
  }

 private:
  struct Edge {
    uint32_t from;
    uint32_t to;
    int cost;
  };

  static std::optional<std::vector<uint32_t>> CycleOf(const std::vector<uint32_t>& before) {
    std::vector<uint32_t> seen_from(before.size(), kNone);
    for (uint32_t start = 0; start < before.size(); ++start) {
      uint32_t place = start;
      while (place != kNone && seen_from[place] == kNone) {
        seen_from[place] = start;
        place = before[place];
      }
      if (place == kNone || seen_from[place] != start) {
        continue;
      }
      std::vector<uint32_t> cycle = {place};
      for (uint32_t at = before[place]; at != place; at = before[at]) {
        cycle.push_back(at);
      }
      std::reverse(cycle.begin(), cycle.end());
      return cycle;
    }
    return std::nullopt;
  }

  uint32_t places_;
  std::vector<Edge> edges_;
};

}  // namespace

bool Assignment::IsNew(uint32_t partition, uint32_t node) const {
  const auto& kept = kept_[partition];
  return std::find(kept.begin(), kept.end(), node) == kept.end();
}

bool Assignment::HasMoved(uint32_t partition) const {
  return std::any_of(replicas_[partition].begin(), replicas_[partition].end(),
                     [&](uint32_t node) { return IsNew(partition, node); });
}

// Carries out one cycle that saves moves; false: there is none.
bool Assignment::CancelCycles() {
  const auto nodes = static_cast<uint32_t>(load_.size());
  const bool all = size_t{problem_.partitions} * (nodes + problem_.zones) <= kMostEdges;
  // Places: the nodes, then for each partition one for itself and one for each of its zones. A
  // replica leaves its node for its zone, and goes from there to another node, or by way of the
  // partition to another zone where the bounds of both allow it.
  Graph graph(nodes);
  std::vector<uint32_t> partition_of;  // of each place behind the nodes
  bool may_save = false;
  for (uint32_t p = 0; p < problem_.partitions; ++p) {
    const bool has_moved = HasMoved(p);
    may_save = may_save || has_moved;
    if (!has_moved && !all) {
      continue;
    }
    const uint32_t self = graph.NewPlace();
    for (uint32_t zone = 0; zone < problem_.zones; ++zone) {
      const uint32_t in_zone = graph.NewPlace();
      const uint32_t count = InZone(p, zone);
      if (count > shares_.bounds_of_zone[zone].least) {
        graph.Add(in_zone, self, 0);
      }
      if (count < shares_.bounds_of_zone[zone].most) {
        graph.Add(self, in_zone, 0);
      }
    }
    partition_of.resize(partition_of.size() + 1 + problem_.zones, p);
    for (uint32_t node = 0; node < nodes; ++node) {
      const uint32_t in_zone = self + 1 + ZoneOf(node);
      const int is_new = IsNew(p, node) ? 1 : 0;
      if (Has(p, node)) {
        graph.Add(node, in_zone, -is_new);
      } else {
        graph.Add(in_zone, node, is_new);
      }
    }
  }
  const auto cycle = may_save ? graph.FindNegativeCycle() : std::nullopt;
  if (!cycle) {
    return false;
  }
  std::vector<std::pair<uint32_t, uint32_t>> gone;  // partition, node
  std::vector<std::pair<uint32_t, uint32_t>> come;
  for (size_t i = 0; i < cycle->size(); ++i) {
    const uint32_t from = (*cycle)[i];
    const uint32_t to = (*cycle)[(i + 1) % cycle->size()];
    if (from < nodes) {
      gone.emplace_back(partition_of[to - nodes], from);
    } else if (to < nodes) {
      come.emplace_back(partition_of[from - nodes], to);
    }
  }
  for (const auto& [p, node] : gone) {
    Remove(p, node);
  }
  for (const auto& [p, node] : come) {
    Add(p, node);
  }
  return true;
}

}  // namespace kvfs::ring
