// Epoch and PkState: how far the replicas of a partition have come. Values.
//
// An epoch is one reign of one primary over a partition: a greater number than every one
// before it, and the node, so that two primaries never have the same. A PkState names the
// content of a partition key for ever: what the seq-th transaction of an epoch left. Of
// two states the one of the later epoch is the later.
#pragma once

#include <compare>
#include <cstdint>

namespace kvfs::replication {

struct Epoch {
  uint64_t number = 0;
  uint64_t node = 0;

  auto operator<=>(const Epoch&) const = default;
};

struct PkState {
  Epoch epoch;
  uint64_t seq = 0;

  auto operator<=>(const PkState&) const = default;
};

// The state that one transaction under `epoch` leaves. REQUIRES: epoch >= state.epoch.
inline PkState After(const PkState& state, const Epoch& epoch) {
  return {epoch, state.epoch == epoch ? state.seq + 1 : 1};
}

}  // namespace kvfs::replication
