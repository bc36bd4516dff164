// GuardedPeers: calls to nodes, minding which of them answer. One that has not answered a few
// times in a row is not waited for again, but for a try now and then; and whoever picks a
// home asks it last. Borrowed parts; thread-safe.
#pragma once

#include <mutex>
#include <vector>

#include "kvcore/env/clock.h"
#include "kvcore/membership/peer_health.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"

namespace kvfs::client {

class GuardedPeers final : public replication::Peers, public replication::Placement {
 public:
  GuardedPeers(const membership::PeerHealth::Options& options, replication::Peers* peers,
               const replication::Placement* placement, env::Clock* clock)
      : peers_(peers), placement_(placement), clock_(clock), health_(options) {}

  // kUnavailable at once for a node that is not asked at present.
  Task<Result<Bytes>> Call(env::NodeId to, replication::Method method, Bytes body,
                           int64_t timeout_micros) override;
  // Those that answer first; among equals in order of preference.
  std::vector<env::NodeId> HomesOf(uint32_t partition) const override;
  replication::Electorate ElectorateOf(uint32_t partition) const override;
  uint64_t Version() const override { return placement_->Version(); }

 private:
  void PutHealthyFirst(std::vector<env::NodeId>* homes) const;

  replication::Peers* const peers_;
  const replication::Placement* const placement_;
  env::Clock* const clock_;
  mutable std::mutex mutex_;  // guards the rest
  membership::PeerHealth health_;
};

}  // namespace kvfs::client
