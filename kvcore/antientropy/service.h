// Service: answers what peers ask to find out what they hold differently. Borrowed store, no
// state; thread-safe.
#pragma once

#include "kvcore/antientropy/merkle_store.h"
#include "kvcore/antientropy/messages.h"
#include "kvcore/replication/peers.h"

namespace kvfs::antientropy {

struct ServiceOptions {
  uint64_t page_bytes = 256u << 10;  // of what places hold, told at a time; a place is told whole
};

class Service {
 public:
  explicit Service(MerkleStore* store, const ServiceOptions& options = {})
      : options_(options), store_(store) {}

  static bool Serves(replication::Method method) {
    return method == replication::Method::kSums || method == replication::Method::kPlaces;
  }
  // REQUIRES: Serves(method).
  Result<Bytes> Handle(replication::Method method, ByteView body) const;

  // The same for the node itself. `places` are of the tree asked for; at least one is told of.
  Result<pb::PlacesReply> List(const pb::PlacesRequest& request) const;

 private:
  const ServiceOptions options_;
  MerkleStore* const store_;
};

}  // namespace kvfs::antientropy
