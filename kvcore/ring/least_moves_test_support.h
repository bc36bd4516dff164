// The fewest moves from one layout to another with given shares, exactly: a min-cost flow by
// successive shortest paths. Slow; the reference for what ComputeLayout finds.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "kvcore/ring/layout.h"

namespace kvfs::ring::test {

class MinCostFlow {
 public:
  explicit MinCostFlow(int nodes) : edges_of_(static_cast<size_t>(nodes)) {}

  void Add(int from, int to, int capacity, int cost) {
    Half(from, to, capacity, cost);
    Half(to, from, 0, -cost);
  }
  // The cost of the cheapest flow among the greatest.
  int Run(int source, int sink) {
    int cost = 0;
    while (true) {
      std::vector<int> distance(edges_of_.size(), kFar);
      std::vector<int> by(edges_of_.size(), -1);
      std::vector<bool> queued(edges_of_.size());
      std::deque<int> queue = {source};
      distance[At(source)] = 0;
      while (!queue.empty()) {
        const int node = queue.front();
        queue.pop_front();
        queued[At(node)] = false;
        for (const int e : edges_of_[At(node)]) {
          const Edge& edge = edges_[At(e)];
          if (edge.capacity > 0 && distance[At(node)] + edge.cost < distance[At(edge.to)]) {
            distance[At(edge.to)] = distance[At(node)] + edge.cost;
            by[At(edge.to)] = e;
            if (!queued[At(edge.to)]) {
              queued[At(edge.to)] = true;
              queue.push_back(edge.to);
            }
          }
        }
      }
      if (distance[At(sink)] == kFar) {
        return cost;
      }
      cost += distance[At(sink)];
      for (int node = sink; node != source; node = edges_[At(by[At(node)] ^ 1)].to) {
        --edges_[At(by[At(node)])].capacity;
        ++edges_[At(by[At(node)] ^ 1)].capacity;
      }
    }
  }

 private:
  struct Edge {
    int to = 0;
    int capacity = 0;
    int cost = 0;
  };
  static constexpr int kFar = 1 << 29;
  static size_t At(int i) { return static_cast<size_t>(i); }
  void Half(int from, int to, int capacity, int cost) {
    edges_of_[At(from)].push_back(static_cast<int>(edges_.size()));
    edges_.push_back({to, capacity, cost});
  }

  std::vector<Edge> edges_;
  std::vector<std::vector<int>> edges_of_;
};

// From `before` to any layout in which each member keeps as many partitions as in `next`, in as
// many zones. For one datacentre.
inline int FewestMoves(const Layout& before, const Layout& next) {
  const auto& members = next.members();
  const auto counts = next.PartitionsPerMember();
  const int partitions = static_cast<int>(next.partition_count());
  const int replicas = static_cast<int>(next.replica_count());
  std::map<std::string, int> zones;
  for (const Member& member : members) {
    if (member.weight > 0) {
      zones.emplace(member.zone, static_cast<int>(zones.size()));
    }
  }
  const int zone_count = static_cast<int>(zones.size());
  const int used_zones = std::min(zone_count, replicas);
  // source, sink, per partition one for its first replicas in each zone and one for the rest, per
  // partition and zone, per member.
  const auto first = [&](int p) { return 2 + 2 * p; };
  const auto in_zone = [&](int p, int z) { return 2 + 2 * partitions + p * zone_count + z; };
  const auto member = [&](int m) { return 2 + 2 * partitions + partitions * zone_count + m; };
  MinCostFlow flow(member(static_cast<int>(members.size())));
  for (int p = 0; p < partitions; ++p) {
    flow.Add(0, first(p), used_zones, 0);
    flow.Add(0, first(p) + 1, replicas - used_zones, 0);
    for (int z = 0; z < zone_count; ++z) {
      flow.Add(first(p), in_zone(p, z), 1, 0);
      flow.Add(first(p) + 1, in_zone(p, z), replicas, 0);
    }
    for (size_t m = 0; m < members.size(); ++m) {
      if (members[m].weight > 0) {
        flow.Add(in_zone(p, zones.at(members[m].zone)), member(static_cast<int>(m)), 1,
                 before.Keeps(members[m].node, static_cast<uint32_t>(p)) ? 0 : 1);
      }
    }
  }
  for (size_t m = 0; m < members.size(); ++m) {
    flow.Add(member(static_cast<int>(m)), 1, static_cast<int>(counts[m]), 0);
  }
  return flow.Run(0, 1);
}

}  // namespace kvfs::ring::test
