// What the tests of layouts share: drawn clusters, and what a layout of them must be like.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kvcore/ring/compute_layout.h"

namespace kvfs::ring::test {

inline LayoutSpec Spec(uint32_t partition_bits, uint32_t replication_factor) {
  LayoutSpec spec;
  spec.partition_bits = partition_bits;
  spec.datacentres.push_back({.name = "dc1", .replication_factor = replication_factor});
  return spec;
}

inline Member MakeMember(NodeId node, const std::string& zone, uint32_t weight = 1,
                         const std::string& datacentre = "dc1") {
  return {.node = node, .weight = weight, .datacentre = datacentre, .zone = zone};
}

// `nodes` members of equal weight, dealt over `zones`.
inline LayoutSpec Even(uint32_t partition_bits, uint32_t factor, uint32_t nodes, uint32_t zones) {
  LayoutSpec spec = Spec(partition_bits, factor);
  for (uint32_t i = 0; i < nodes; ++i) {
    spec.members.push_back(MakeMember(100 + i, "z" + std::to_string(i % zones)));
  }
  return spec;
}

// Some zones, some weights, as people have them: mostly alike, now and then very unlike.
inline LayoutSpec Drawn(uint32_t partition_bits, uint32_t nodes, std::mt19937_64* random) {
  const auto below = [&](uint64_t n) { return (*random)() % n; };
  LayoutSpec spec = Spec(partition_bits, static_cast<uint32_t>(1 + below(4)));
  const uint64_t zones = below(4) == 0 ? nodes : 1 + below(std::min<uint64_t>(nodes, 8));
  const uint64_t kind = below(3);
  for (uint32_t i = 0; i < nodes; ++i) {
    const auto weight = static_cast<uint32_t>(
        kind == 0 ? 1 : (kind == 1 ? 100 + below(100) : 1 + below(1000) * below(1000)));
    // Node ids in no order of zones.
    spec.members.push_back(MakeMember(1 + ((*random)() >> 1) % (1u << 30) * 512 + i,
                                      "z" + std::to_string(below(zones)), weight));
  }
  return spec;
}

// The share of each member as a fraction, for one datacentre: levels of water, found anew in
// floating point.
inline std::vector<double> IdealShares(const LayoutSpec& spec) {
  const double partitions = std::pow(2, spec.partition_bits);
  std::map<std::string, std::vector<size_t>> zones;
  for (size_t i = 0; i < spec.members.size(); ++i) {
    if (spec.members[i].weight > 0) {
      zones[spec.members[i].zone].push_back(i);
    }
  }
  const double zone_count = static_cast<double>(zones.size());
  const double r = static_cast<double>(ReplicaCount(spec));
  const auto fill = [&](const std::vector<size_t>& members, double level) {
    double sum = 0;
    for (const size_t i : members) {
      sum += std::min(partitions, level * spec.members[i].weight);
    }
    return sum;
  };
  const auto bounded = [&](const std::vector<size_t>& members, double level) {
    const double least = zone_count >= r ? 0 : 1;
    const double most =
        zone_count >= r ? 1 : std::min(static_cast<double>(members.size()), r - zone_count + 1);
    return std::clamp(fill(members, level), least * partitions, most * partitions);
  };
  const auto solve = [&](double target, const auto& amount) {
    double low = 0;
    double high = partitions;
    for (int i = 0; i < 200; ++i) {
      const double middle = (low + high) / 2;
      (amount(middle) < target ? low : high) = middle;
    }
    return high;
  };
  const double level = solve(r * partitions, [&](double at) {
    double sum = 0;
    for (const auto& [zone, members] : zones) {
      sum += bounded(members, at);
    }
    return sum;
  });
  std::vector<double> shares(spec.members.size());
  for (const auto& [zone, members] : zones) {
    const double in_zone = bounded(members, level);
    const double zone_level =
        solve(in_zone, [&, &here = members](double at) { return fill(here, at); });
    for (const size_t i : members) {
      shares[i] = std::min(partitions, zone_level * spec.members[i].weight);
    }
  }
  return shares;
}

// How many (partition, node) pairs are in `next` and not in `before`.
inline size_t Moves(const Layout& before, const Layout& next) {
  size_t moves = 0;
  for (uint32_t p = 0; p < next.partition_count(); ++p) {
    for (const NodeId node : next.PreferenceList(p)) {
      moves += before.Keeps(node, p) ? 0 : 1;
    }
  }
  return moves;
}

// No layout with these shares, however rounded, is reached with fewer moves.
inline size_t LeastMoves(const Layout& before, const LayoutSpec& spec) {
  const std::vector<double> shares = IdealShares(spec);
  std::map<NodeId, uint32_t> kept;
  const auto counts = before.PartitionsPerMember();
  for (size_t i = 0; i < counts.size(); ++i) {
    kept[before.members()[i].node] = counts[i];
  }
  double gained = 0;
  double lost = 0;
  size_t all = 0;
  for (size_t i = 0; i < spec.members.size(); ++i) {
    const double now = kept[spec.members[i].node];
    gained += std::max(0.0, std::floor(shares[i] + 1e-6) - now);
    lost += std::max(0.0, now - std::ceil(shares[i] - 1e-6));
    kept.erase(spec.members[i].node);
  }
  for (const auto& [node, count] : kept) {
    lost += count;
  }
  for (const auto count : counts) {
    all += count;
  }
  // What is lost goes to somebody, unless there are to be fewer replicas.
  const double fewer =
      std::max(0.0, static_cast<double>(all) -
                        static_cast<double>(ReplicaCount(spec)) * std::pow(2, spec.partition_bits));
  return static_cast<size_t>(std::max(gained, lost - fewer));
}

}  // namespace kvfs::ring::test
