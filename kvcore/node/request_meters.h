// RequestMeters: how often each kind of request was carried out by this node, and how long that
// took, requests of the node to itself included. Thread-safe.
#pragma once

#include <array>

#include "kvcore/base/latency.h"
#include "kvcore/replication/peers.h"

namespace kvfs::node {

class RequestMeters {
 public:
  static constexpr size_t kMethods = 64;

  void Note(replication::Method method, int64_t micros, bool failed) {
    meters_[static_cast<size_t>(method) % kMethods].Note(micros, failed);
  }
  Latencies Of(replication::Method method) const {
    return meters_[static_cast<size_t>(method) % kMethods].Get();
  }

 private:
  std::array<LatencyMeter, kMethods> meters_;
};

}  // namespace kvfs::node
