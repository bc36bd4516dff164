#include "kvcore/ring/ring_view.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <set>
#include <utility>

#include "kvcore/ring/mix.h"

namespace kvfs::ring {
namespace {

// The members of the layout that `wanted` accepts, as indices, in the order in which a walk
// clockwise from behind the partition meets them; those that keep nothing at the end.
template <typename Wanted>
std::vector<uint16_t> Walk(const Layout& layout, uint32_t partition, const Wanted& wanted) {
  const auto& members = layout.members();
  std::vector<bool> open(members.size());
  size_t left = 0;
  std::vector<uint16_t> found;
  std::vector<uint16_t> without_weight;
  for (uint16_t i = 0; i < members.size(); ++i) {
    if (!wanted(members[i])) {
      continue;
    }
    if (members[i].weight == 0) {
      without_weight.push_back(i);
    } else {
      open[i] = true;
      ++left;
    }
  }
  for (uint32_t step = 1; step <= layout.partition_count() && left > 0; ++step) {
    for (const uint16_t i : layout.Replicas((partition + step) % layout.partition_count())) {
      if (open[i]) {
        open[i] = false;
        --left;
        found.push_back(i);
      }
    }
  }
  std::sort(without_weight.begin(), without_weight.end(), [&](uint16_t a, uint16_t b) {
    return Mix(partition, members[a].node) < Mix(partition, members[b].node);
  });
  found.insert(found.end(), without_weight.begin(), without_weight.end());
  return found;
}

}  // namespace

RingView::RingView(std::shared_ptr<const Layout> current) : current_(std::move(current)) {}

void RingView::Begin(std::shared_ptr<const Layout> next) {
  assert(next_ == nullptr && next->id().number == current_->id().number + 1 &&
         next->partition_count() == current_->partition_count());
  next_ = std::move(next);
}

std::vector<ReplicaSet> RingView::ReplicaSets(uint32_t partition) const {
  std::vector<ReplicaSet> sets;
  sets.push_back({current_->id(), current_->PreferenceList(partition)});
  if (next_ != nullptr) {
    sets.push_back({next_->id(), next_->PreferenceList(partition)});
  }
  return sets;
}

std::vector<NodeId> RingView::PreferenceList(uint32_t partition) const {
  std::vector<NodeId> nodes;
  for (const ReplicaSet& set : ReplicaSets(partition)) {
    for (const NodeId node : set.nodes) {
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
        nodes.push_back(node);
      }
    }
  }
  return nodes;
}

bool RingView::Moves(uint32_t partition) const {
  if (next_ == nullptr) {
    return false;
  }
  std::vector<NodeId> before = current_->PreferenceList(partition);
  std::vector<NodeId> after = next_->PreferenceList(partition);
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  return before != after;
}

std::vector<NodeId> RingView::Keepers() const {
  std::set<NodeId> keepers;
  for (const Layout* const layout : {current_.get(), next_.get()}) {
    for (size_t i = 0; layout != nullptr && i < layout->members().size(); ++i) {
      if (layout->members()[i].weight > 0) {
        keepers.insert(layout->members()[i].node);
      }
    }
  }
  return {keepers.begin(), keepers.end()};
}

std::vector<NodeId> RingView::Fallbacks(uint32_t partition, size_t limit,
                                        std::string_view datacentre) const {
  const Layout& layout = newest();
  const std::vector<NodeId> replicas = PreferenceList(partition);
  const auto is_replica = [&](NodeId node) {
    return std::find(replicas.begin(), replicas.end(), node) != replicas.end();
  };
  using Place = std::pair<std::string_view, std::string_view>;
  std::map<Place, size_t> used;
  for (const Member& member : layout.members()) {
    if (is_replica(member.node)) {
      ++used[{member.datacentre, member.zone}];
    }
  }
  std::vector<uint16_t> walk = Walk(layout, partition, [&](const Member& member) {
    return !is_replica(member.node) && (datacentre.empty() || member.datacentre == datacentre);
  });
  std::vector<NodeId> fallbacks;
  for (size_t allowed = 0; fallbacks.size() < limit && !walk.empty(); ++allowed) {
    std::erase_if(walk, [&](uint16_t index) {
      const Member& member = layout.members()[index];
      size_t& in_zone = used[{member.datacentre, member.zone}];
      if (fallbacks.size() >= limit || in_zone > allowed) {
        return false;
      }
      ++in_zone;
      fallbacks.push_back(member.node);
      return true;
    });
  }
  return fallbacks;
}

}  // namespace kvfs::ring
