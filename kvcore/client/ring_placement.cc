#include "kvcore/client/ring_placement.h"

#include <utility>

namespace kvfs::client {

replication::Electorate RingPlacement::ElectorateOf(uint32_t partition) const {
  const auto layouts = view();
  replication::Electorate electorate;
  electorate.homes = layouts->PreferenceList(partition);
  for (ring::ReplicaSet& set : layouts->ReplicaSets(partition)) {
    electorate.sets.push_back(std::move(set.nodes));
  }
  electorate.version = layouts->stage().version();
  return electorate;
}

bool RingPlacement::Replace(ring::RingView view) {
  auto next = std::make_shared<const ring::RingView>(std::move(view));
  std::lock_guard lock(mutex_);
  if (next->stage().version() <= view_->stage().version()) {
    return false;
  }
  view_ = std::move(next);
  return true;
}

}  // namespace kvfs::client
