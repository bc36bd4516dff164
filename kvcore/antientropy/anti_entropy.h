// AntiEntropy: now and then compares what this node keeps with every other home of it, and has
// brought up to date what differs for longer than a moment: partition keys by whoever is their
// primary, chunks by taking them over. What the ordinary ways of catching up have missed, or had no
// room to remember, is found here.
//
// Owned by the node; what it is built from is borrowed. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <vector>

#include "kvcore/antientropy/exchange.h"
#include "kvcore/env/clock.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/chunk_repair.h"
#include "kvcore/replication/coordinator.h"
#include "kvcore/replication/placement.h"

namespace kvfs::antientropy {

struct AntiEntropyOptions {
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  int64_t first_micros = 5'000'000;      // after the start
  int64_t interval_micros = 60'000'000;  // between two rounds; 1 s .. 1 day
  int64_t again_micros = 10'000'000;     // where not everybody answered, or something was healed
  // What differs is looked at again after this long: most of it was only under way.
  int64_t settle_micros = 2'000'000;
  int64_t heal_micros = 10'000'000;  // for one partition key
  size_t most_heals = 100'000;       // in one round; the rest waits for the next
  ExchangeOptions exchange;
};

// A note of a store that is new, as it is also after the disk of a node was lost: until every other
// home has been heard, chunks are taken over even if only one of them has them.
Bytes NewStoreKey();

class AntiEntropy {
 public:
  struct Parts {
    const replication::Placement* placement = nullptr;
    MerkleStore* store = nullptr;
    const Service* service = nullptr;
    replication::Peers* peers = nullptr;
    replication::Coordinator* coordinator = nullptr;
    replication::ChunkRepair* chunks = nullptr;
    env::Clock* clock = nullptr;
    env::Scheduler* scheduler = nullptr;
  };
  AntiEntropy(const AntiEntropyOptions& options, const Parts& parts)
      : options_(options), parts_(parts), tasks_(parts.scheduler) {}

  void Start() { tasks_.Start(Run()); }
  // Returns when nothing runs.
  Task<void> Close();

  // Since the start.
  struct Counts {
    uint64_t rounds = 0;
    uint64_t calm_rounds = 0;  // everybody was heard, and nothing differed
    uint64_t healed = 0;       // partition keys and chunks
    uint64_t failed = 0;
    uint64_t unheard = 0;  // homes that did not answer, or not to the end
    int64_t last_calm_micros =
        0;  // when the last such round ended, on the clock; 0: there was none
  };
  Counts GetCounts() const;

 private:
  // What comparisons led to.
  struct Round {
    size_t unheard = 0;  // other homes that did not answer, or not to the end
    size_t healed = 0;   // partition keys and chunks
    size_t failed = 0;   // to be tried in the next round

    // Everybody was heard, and there was nothing to do.
    bool IsCalm() const { return unheard + healed + failed == 0; }
  };

  Task<void> Run();
  void CountRound(const Round& round);
  Task<Round> RunRound();
  std::map<env::NodeId, std::vector<uint32_t>> Shared() const;
  // What differs now and a moment later: the rest was only under way.
  Task<Result<Differences>> CompareTwice(env::NodeId peer, Tree tree,
                                         const std::vector<uint32_t>* partitions);
  Task<Status> CompareKeys(env::NodeId peer, const std::vector<uint32_t>* partitions, Round* round);
  Task<Status> CompareChunks(env::NodeId peer, const std::vector<uint32_t>* partitions,
                             Round* round);

  const AntiEntropyOptions options_;
  const Parts parts_;
  std::atomic<bool> closing_{false};
  mutable std::mutex mutex_;  // guards counts_
  Counts counts_;
  env::TaskSet tasks_;
};

}  // namespace kvfs::antientropy
