// Service: answers the requests of peers: reads them, checks them, and hands them to the home
// or the primary of this node. Borrowed parts, no state; thread-safe.
#pragma once

#include "kvcore/replication/home.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/replicated_primary.h"

namespace kvfs::replication {

class Service {
 public:
  Service(Home* home, ReplicatedPrimary* primary) : home_(home), primary_(primary) {}

  // kInvalidArgument: not a request of ours. Other errors: this node cannot do it now.
  Task<Result<Bytes>> Handle(env::NodeId from, Method method, Bytes body);

 private:
  Home* const home_;
  ReplicatedPrimary* const primary_;
};

}  // namespace kvfs::replication
