// Service: answers the requests of peers: reads them, checks them, and hands them to the home
// or the primary of this node. Borrowed parts, no state; thread-safe.
#pragma once

#include "kvcore/replication/branches.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/replicated_primary.h"

namespace kvfs::replication {

class Service {
 public:
  // `branches`: or none; then nothing is done without a majority.
  Service(Home* home, ReplicatedPrimary* primary, Branches* branches = nullptr)
      : home_(home), primary_(primary), branches_(branches) {}

  // kInvalidArgument: not a request of ours. Other errors: this node cannot do it now.
  Task<Result<Bytes>> Handle(env::NodeId from, Method method, Bytes body);

 private:
  // Of what is done without a majority, and afterwards.
  Task<Result<Bytes>> HandleBranch(env::NodeId from, Method method, Bytes body);

  Home* const home_;
  ReplicatedPrimary* const primary_;
  Branches* const branches_;
};

}  // namespace kvfs::replication
