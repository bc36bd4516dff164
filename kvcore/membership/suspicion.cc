#include "kvcore/membership/suspicion.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "kvcore/membership/message.h"

namespace kvfs::membership {
namespace {

using Place = std::pair<std::string, std::string>;

Place PlaceOf(const PeerStatus& status) { return {status.peer.datacentre, status.peer.zone}; }

// Of those the view knows.
std::set<Place> PlacesOf(const std::vector<NodeId>& nodes, const View& view) {
  std::set<Place> places;
  for (const NodeId node : nodes) {
    if (const PeerStatus* status = view.Find(node)) {
      places.insert(PlaceOf(*status));
    }
  }
  return places;
}

}  // namespace

bool IsConfirmed(NodeId suspect, const std::vector<NodeId>& confirmers, const View& view) {
  std::set<NodeId> counted;
  std::set<Place> from;
  for (const NodeId node : confirmers) {
    if (node != suspect && view.IsAlive(node)) {
      counted.insert(node);
      from.insert(PlaceOf(*view.Find(node)));
    }
  }
  if (counted.size() >= 2 && from.size() >= 2) {
    return true;
  }
  size_t others = 0;
  std::set<Place> possible;
  for (const auto& [node, status] : view.peers()) {
    if (node == suspect || status.state == State::kLeft) {
      continue;
    }
    ++others;
    if (status.state != State::kDead) {
      possible.insert(PlaceOf(status));
    }
  }
  return counted.size() >= std::min<size_t>(2, others) &&
         from.size() >= std::min<size_t>(2, possible.size());
}

bool MergeConfirmers(const std::vector<NodeId>& more, const View& view,
                     std::vector<NodeId>* confirmers) {
  bool changed = false;
  for (const NodeId node : more) {
    const auto at = std::lower_bound(confirmers->begin(), confirmers->end(), node);
    if (at != confirmers->end() && *at == node) {
      continue;
    }
    if (confirmers->size() < kMaxConfirmers) {
      confirmers->insert(at, node);
      changed = true;
      continue;
    }
    const PeerStatus* status = view.Find(node);
    const std::set<Place> places = PlacesOf(*confirmers, view);
    if (status != nullptr && places.size() == 1 && !places.contains(PlaceOf(*status))) {
      confirmers->back() = node;
      std::sort(confirmers->begin(), confirmers->end());
      changed = true;
    }
  }
  return changed;
}

int64_t SuspicionMicros(const Options& options, size_t members, size_t confirmers) {
  const double least = options.suspicion_multiplier *
                       std::log10(std::max<double>(10, static_cast<double>(members))) *
                       static_cast<double>(options.probe_interval_micros);
  const double most = least * options.suspicion_spread;
  // As in Lifeguard, falls with the logarithm; the third confirmer brings it to the least.
  constexpr double kEnough = 3;
  const double part = std::log(std::max(1.0, std::min(kEnough, static_cast<double>(confirmers)))) /
                      std::log(kEnough);
  return static_cast<int64_t>(most - (most - least) * part);
}

}  // namespace kvfs::membership
