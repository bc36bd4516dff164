#include "kvcore/ring/assignment.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <optional>

#include "kvcore/ring/mix.h"

namespace kvfs::ring {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

}  // namespace

// How a search came to a node: it takes `partition` over from node `from`, or, where that is
// kNone, the partition has a replica too few. The search begins at nodes without a partition.
struct Assignment::Step {
  uint32_t partition = kNone;
  uint32_t from = kNone;
};

Assignment::Assignment(const ShareProblem& problem, Shares shares,
                       std::vector<std::vector<uint32_t>> kept)
    : problem_(problem),
      shares_(std::move(shares)),
      kept_(std::move(kept)),
      replicas_(kept_),
      partitions_(problem.bearers.size()),
      load_(problem.bearers.size()) {
  assert(replicas_.size() == problem.partitions);
  for (uint32_t p = 0; p < problem.partitions; ++p) {
    for (const uint32_t node : replicas_[p]) {
      partitions_[node].push_back(p);
      ++load_[node];
    }
  }
}

std::vector<std::vector<uint32_t>> Assignment::Solve() {
  DropWhatCannotStay();
  FillDirectly();
  MoveDirectly();
  while (Augment()) {
  }
  while (CancelCycles()) {
  }
  assert(load_ == shares_.of_bearer);
  return std::move(replicas_);
}

bool Assignment::Has(uint32_t partition, uint32_t node) const {
  const auto& nodes = replicas_[partition];
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

uint32_t Assignment::InZone(uint32_t partition, uint32_t zone) const {
  const auto& nodes = replicas_[partition];
  return static_cast<uint32_t>(std::count_if(nodes.begin(), nodes.end(),
                                             [&](uint32_t node) { return ZoneOf(node) == zone; }));
}

// The replicas it has, and those still owed to zones that must have one.
uint32_t Assignment::Promised(uint32_t partition) const {
  uint32_t promised = 0;
  for (const ZoneBounds& bounds : shares_.of_zone) {
    promised += bounds.least;
  }
  const auto& nodes = replicas_[partition];
  for (size_t i = 0; i < nodes.size(); ++i) {
    const uint32_t zone = ZoneOf(nodes[i]);
    const auto before = std::count_if(nodes.begin(), nodes.begin() + static_cast<ptrdiff_t>(i),
                                      [&](uint32_t node) { return ZoneOf(node) == zone; });
    promised += static_cast<uint32_t>(before) >= shares_.of_zone[zone].least ? 1 : 0;
  }
  return promised;
}

bool Assignment::MayTake(uint32_t partition, uint32_t zone) const {
  const uint32_t count = InZone(partition, zone);
  const ZoneBounds& bounds = shares_.of_zone[zone];
  return count < bounds.most && (count < bounds.least || Promised(partition) < problem_.replicas);
}

bool Assignment::MayMove(uint32_t partition, uint32_t from_zone, uint32_t to_zone) const {
  return from_zone == to_zone || (InZone(partition, from_zone) > shares_.of_zone[from_zone].least &&
                                  InZone(partition, to_zone) < shares_.of_zone[to_zone].most);
}

void Assignment::Add(uint32_t partition, uint32_t node) {
  replicas_[partition].push_back(node);
  partitions_[node].push_back(partition);
  ++load_[node];
}

void Assignment::Remove(uint32_t partition, uint32_t node) {
  std::erase(replicas_[partition], node);
  --load_[node];
}

// Replicas that no complete assignment of these shares can have; from the fullest nodes.
void Assignment::DropWhatCannotStay() {
  for (uint32_t p = 0; p < problem_.partitions; ++p) {
    while (true) {
      const bool too_many = Promised(p) > problem_.replicas;
      std::optional<uint32_t> victim;
      int64_t most_above = 0;
      for (const uint32_t node : replicas_[p]) {
        const ZoneBounds& bounds = shares_.of_zone[ZoneOf(node)];
        const uint32_t count = InZone(p, ZoneOf(node));
        if (count > bounds.most || (too_many && count > bounds.least)) {
          const int64_t above = int64_t{load_[node]} - shares_.of_bearer[node];
          if (!victim || above > most_above) {
            victim = node;
            most_above = above;
          }
        }
      }
      if (!victim) {
        break;
      }
      Remove(p, *victim);
    }
  }
}

// A node below its share that may have the partition, instead of one in `from_zone` where that is
// not kNone; kNone if there is none. Drawn by how much each lacks, so that all fill up together and
// no two share more partitions than chance would have it.
uint32_t Assignment::DrawTaker(uint32_t partition, uint32_t from_zone) const {
  std::vector<signed char> zone_may(problem_.zones, -1);
  uint64_t lacking = 0;
  uint32_t taker = kNone;
  for (uint32_t node = 0; node < load_.size(); ++node) {
    if (load_[node] >= shares_.of_bearer[node]) {
      continue;
    }
    signed char& may = zone_may[ZoneOf(node)];
    if (may < 0) {
      may = from_zone == kNone ? MayTake(partition, ZoneOf(node))
                               : MayMove(partition, from_zone, ZoneOf(node));
    }
    if (may == 0 || Has(partition, node)) {
      continue;
    }
    const uint64_t lacks = shares_.of_bearer[node] - load_[node];
    lacking += lacks;
    if (Mix(uint64_t{partition} << 32 | replicas_[partition].size(), node) % lacking < lacks) {
      taker = node;
    }
  }
  return taker;
}

void Assignment::FillDirectly() {
  std::vector<uint32_t> order(problem_.partitions);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [](uint32_t a, uint32_t b) { return Mix(a, 0) < Mix(b, 0); });
  for (const uint32_t p : order) {
    while (replicas_[p].size() < problem_.replicas) {
      const uint32_t taker = DrawTaker(p, kNone);
      if (taker == kNone) {
        break;
      }
      Add(p, taker);
    }
  }
}

void Assignment::MoveDirectly() {
  for (uint32_t node = 0; node < load_.size(); ++node) {
    if (load_[node] <= shares_.of_bearer[node]) {
      continue;
    }
    std::vector<uint32_t> mine;
    for (const uint32_t p : partitions_[node]) {
      if (Has(p, node)) {
        mine.push_back(p);
      }
    }
    std::sort(mine.begin(), mine.end(),
              [&](uint32_t a, uint32_t b) { return Mix(a, node) < Mix(b, node); });
    for (const uint32_t p : mine) {
      if (load_[node] <= shares_.of_bearer[node]) {
        break;
      }
      if (const uint32_t taker = DrawTaker(p, ZoneOf(node)); taker != kNone) {
        Remove(p, node);
        Add(p, taker);
      }
    }
  }
}

template <typename Reach>
void Assignment::Visit(uint32_t partition, uint32_t zone, const Reach& reach) {
  std::vector<uint32_t>& nodes = unreached_[zone];
  for (size_t i = 0; i < nodes.size();) {
    const uint32_t node = nodes[i];
    if (Has(partition, node)) {
      ++i;
      continue;
    }
    nodes[i] = nodes.back();
    nodes.pop_back();
    reach(node);
  }
}

// One replica more in its place, by the fewest moves: from a partition that has too few, or a node
// that has too many, to a node that has too few. False: nothing is out of place.
bool Assignment::Augment() {
  std::vector<Step> steps(load_.size());
  std::vector<uint32_t> queue;
  unreached_.assign(problem_.zones, {});
  for (uint32_t node = 0; node < load_.size(); ++node) {
    if (load_[node] > shares_.of_bearer[node]) {
      queue.push_back(node);
    } else {
      unreached_[ZoneOf(node)].push_back(node);
    }
  }
  uint32_t end = kNone;
  Step step;
  const auto reach = [&](uint32_t node) {
    steps[node] = step;
    queue.push_back(node);
    if (end == kNone && load_[node] < shares_.of_bearer[node]) {
      end = node;
    }
  };
  bool any_short = false;
  for (uint32_t p = 0; p < problem_.partitions && end == kNone; ++p) {
    if (replicas_[p].size() < problem_.replicas) {
      any_short = true;
      step = {.partition = p, .from = kNone};
      for (uint32_t zone = 0; zone < problem_.zones && end == kNone; ++zone) {
        if (!unreached_[zone].empty() && MayTake(p, zone)) {
          Visit(p, zone, reach);
        }
      }
    }
  }
  if (queue.empty() && !any_short) {
    return false;
  }
  for (size_t next = 0; next < queue.size() && end == kNone; ++next) {
    const uint32_t node = queue[next];
    std::erase_if(partitions_[node], [&](uint32_t p) { return !Has(p, node); });
    for (size_t i = 0; i < partitions_[node].size() && end == kNone; ++i) {
      step = {.partition = partitions_[node][i], .from = node};
      for (uint32_t zone = 0; zone < problem_.zones && end == kNone; ++zone) {
        if (!unreached_[zone].empty() && MayMove(step.partition, ZoneOf(node), zone)) {
          Visit(step.partition, zone, reach);
        }
      }
    }
  }
  // ComputeShares answers only shares that can be had, and such a flow can always be completed.
  assert(end != kNone);
  for (uint32_t node = end; node != kNone && steps[node].partition != kNone;
       node = steps[node].from) {
    const Step& taken = steps[node];
    if (taken.from != kNone) {
      Remove(taken.partition, taken.from);
    }
    Add(taken.partition, node);
  }
  return true;
}

}  // namespace kvfs::ring
