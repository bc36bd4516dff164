// Exchange: finds out what this node and another hold differently of the partitions that both
// keep, asking for sums first and for single places only where these differ.
//
// Owned by whoever compares; borrowed parts; used by one coroutine.
#pragma once

#include <set>
#include <vector>

#include "kvcore/antientropy/service.h"
#include "kvcore/replication/peers.h"

namespace kvfs::antientropy {

struct ExchangeOptions {
  int64_t call_micros = 5'000'000;  // what the peer gets to answer
};

struct Differences {
  std::set<Bytes> keys;                   // in another state there, or on one side only
  std::set<replication::ChunkId> chunks;  // with a reference there that is not here, or older here
};

class Exchange {
 public:
  Exchange(const ExchangeOptions& options, MerkleStore* store, const Service* service,
           replication::Peers* peers)
      : options_(options), store_(store), service_(service), peers_(peers) {}

  // kUnavailable: the peer does not answer.
  Task<Result<Differences>> Compare(env::NodeId peer, Tree tree, std::vector<uint32_t> partitions,
                                    uint32_t partition_bits);

 private:
  Task<Result<Bytes>> Ask(env::NodeId peer, replication::Method method, Bytes body);
  Task<Status> CompareRanges(env::NodeId peer, Tree tree, Comparison* comparison);
  Task<Status> ComparePlaces(env::NodeId peer, Tree tree, const std::vector<uint16_t>* places,
                             Differences* found);

  const ExchangeOptions options_;
  MerkleStore* const store_;
  const Service* const service_;
  replication::Peers* const peers_;
};

}  // namespace kvfs::antientropy
