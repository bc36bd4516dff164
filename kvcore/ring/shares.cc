// Filling with water: every node stands at level * weight until it is full (it keeps every
// partition). A zone is held between its own bounds: enough that every partition can be in it where
// there are no more zones than replicas, at most one replica a partition where there are enough
// zones. Levels are found by bisection in fixed point, rounded down; what rounding leaves over is
// dealt out one by one, to the zones first, then inside each.
#include "kvcore/ring/shares.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace kvfs::ring {
namespace {

__extension__ using Fixed = unsigned __int128;
constexpr int kFractionBits = 44;

Fixed ToFixed(uint64_t value) { return Fixed{value} << kFractionBits; }
uint32_t Floor(Fixed value) { return static_cast<uint32_t>(value >> kFractionBits); }
uint64_t Fraction(Fixed value) {
  return static_cast<uint64_t>(value & ((Fixed{1} << kFractionBits) - 1));
}

Fixed AtLevel(const ShareProblem& problem, const Bearer& bearer, Fixed level) {
  return std::min(level * bearer.weight, ToFixed(problem.partitions));
}

// The highest level at which `amount(level)` is at most `target`. All are full at level
// `partitions`, whatever the weight, so higher ones differ in nothing.
template <typename Amount>
Fixed HighestLevel(const ShareProblem& problem, Fixed target, Amount amount) {
  Fixed low = 0;
  Fixed high = ToFixed(problem.partitions);
  if (amount(high) <= target) {
    return high;
  }
  while (high - low > 1) {
    const Fixed middle = low + (high - low) / 2;
    (amount(middle) <= target ? low : high) = middle;
  }
  return low;
}

// Somebody who gets a part of what is dealt out.
struct Part {
  Fixed exact = 0;
  uint64_t kept = 0;
  uint32_t most = 0;
  uint32_t share = 0;
};

// Whole numbers that sum to `total`: each exact amount rounded down, and one more for some; for
// those first that keep more than they would otherwise have to give away, then by the fraction.
void RoundTo(uint64_t total, std::vector<Part>* parts) {
  uint64_t dealt = 0;
  for (Part& part : *parts) {
    part.share = std::min(Floor(part.exact), part.most);
    dealt += part.share;
  }
  std::vector<size_t> order(parts->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Part& x = (*parts)[a];
    const Part& y = (*parts)[b];
    const bool x_keeps = x.kept > x.share;
    const bool y_keeps = y.kept > y.share;
    // Nothing to round where the amount is whole.
    const bool x_whole = Fraction(x.exact) == 0;
    const bool y_whole = Fraction(y.exact) == 0;
    if (x_whole != y_whole) {
      return y_whole;
    }
    if (x_keeps != y_keeps) {
      return x_keeps;
    }
    return Fraction(x.exact) > Fraction(y.exact);
  });
  while (dealt < total) {
    const uint64_t before = dealt;
    for (const size_t i : order) {
      Part& part = (*parts)[i];
      if (dealt < total && part.share < part.most) {
        ++part.share;
        ++dealt;
      }
    }
    assert(dealt > before);
  }
  assert(dealt == total);
}

class Filler {
 public:
  explicit Filler(const ShareProblem& problem) : problem_(problem), members_(problem.zones) {
    for (size_t i = 0; i < problem.bearers.size(); ++i) {
      members_[problem.bearers[i].zone].push_back(i);
    }
    for (const auto& members : members_) {
      assert(!members.empty());
      bounds_.push_back(BoundsOfZone(members.size()));
    }
  }

  Shares Fill() {
    const uint64_t total = uint64_t{problem_.partitions} * problem_.replicas;
    const Fixed level = HighestLevel(problem_, ToFixed(total), [&](Fixed at) {
      Fixed sum = 0;
      for (uint32_t zone = 0; zone < problem_.zones; ++zone) {
        sum += ZoneAtLevel(zone, at);
      }
      return sum;
    });
    std::vector<Part> zones(problem_.zones);
    for (uint32_t zone = 0; zone < problem_.zones; ++zone) {
      zones[zone].exact = ZoneAtLevel(zone, level);
      zones[zone].most = bounds_[zone].most * problem_.partitions;
      for (const size_t i : members_[zone]) {
        zones[zone].kept += problem_.bearers[i].kept;
      }
    }
    RoundTo(total, &zones);
    Shares shares;
    shares.of_bearer.resize(problem_.bearers.size());
    for (uint32_t zone = 0; zone < problem_.zones; ++zone) {
      FillZone(zone, zones[zone], &shares);
    }
    shares.bounds_of_zone = bounds_;
    return shares;
  }

 private:
  // For one partition.
  ZoneBounds BoundsOfZone(size_t members) const {
    if (problem_.zones >= problem_.replicas) {
      return {.least = 0, .most = 1};
    }
    // One in each other zone, at least.
    const auto spare = problem_.replicas - (problem_.zones - 1);
    return {.least = 1, .most = std::min(static_cast<uint32_t>(members), spare)};
  }

  Fixed InZone(uint32_t zone, Fixed level) const {
    Fixed sum = 0;
    for (const size_t i : members_[zone]) {
      sum += AtLevel(problem_, problem_.bearers[i], level);
    }
    return sum;
  }
  Fixed ZoneAtLevel(uint32_t zone, Fixed level) const {
    const uint64_t partitions = problem_.partitions;
    return std::clamp(InZone(zone, level), ToFixed(bounds_[zone].least * partitions),
                      ToFixed(bounds_[zone].most * partitions));
  }

  void FillZone(uint32_t zone, const Part& part, Shares* shares) const {
    const Fixed level =
        HighestLevel(problem_, part.exact, [&](Fixed at) { return InZone(zone, at); });
    std::vector<Part> parts;
    for (const size_t i : members_[zone]) {
      const Bearer& bearer = problem_.bearers[i];
      parts.push_back({.exact = AtLevel(problem_, bearer, level),
                       .kept = bearer.kept,
                       .most = problem_.partitions});
    }
    RoundTo(part.share, &parts);
    for (size_t i = 0; i < parts.size(); ++i) {
      shares->of_bearer[members_[zone][i]] = parts[i].share;
    }
    shares->of_zone.push_back(
        {.least = part.share / problem_.partitions,
         .most = (part.share + problem_.partitions - 1) / problem_.partitions});
  }

  const ShareProblem& problem_;
  std::vector<std::vector<size_t>> members_;  // of each zone
  std::vector<ZoneBounds> bounds_;
};

}  // namespace

Shares ComputeShares(const ShareProblem& problem) {
  assert(problem.partitions > 0 && problem.replicas > 0 &&
         problem.replicas <= problem.bearers.size());
  return Filler(problem).Fill();
}

}  // namespace kvfs::ring
