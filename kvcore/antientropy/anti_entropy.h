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
#include <set>

#include "kvcore/antientropy/exchange.h"
#include "kvcore/env/async_mutex.h"
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

// What came of the latest comparison with one other node.
struct PeerReport {
  int64_t ended_at_micros = 0;  // monotonic; 0: never
  bool answered = false;
  size_t shared_partitions = 0;
  size_t differing_partitions = 0;  // of keys, at first sight
  size_t differing_keys = 0;        // still so after a moment
  size_t missing_chunks = 0;
  size_t healed_keys = 0;
  size_t healed_chunks = 0;
  size_t failed = 0;   // to be healed; tried again in the next round
  uint64_t bytes = 0;  // of questions and answers
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
      : options_(options), parts_(parts), running_(parts.scheduler), tasks_(parts.scheduler) {}

  void Start() { tasks_.Start(Run()); }
  // One round, now: with every node that shares a partition.
  Task<void> RunRound();
  std::map<env::NodeId, PeerReport> Reports() const;
  // Returns when nothing runs.
  Task<void> Close();

 private:
  Task<void> Run();
  // Every other home has answered in the latest round, and there was nothing to do.
  bool IsComplete(size_t peers) const;
  // False: closing.
  Task<bool> Wait(int64_t micros);
  std::map<env::NodeId, std::vector<uint32_t>> Shared() const;
  Task<PeerReport> CompareWith(env::NodeId peer, std::vector<uint32_t> partitions);
  Task<Status> CompareKeys(env::NodeId peer, const std::vector<uint32_t>* partitions,
                           PeerReport* report);
  Task<Status> CompareChunks(env::NodeId peer, const std::vector<uint32_t>* partitions,
                             PeerReport* report);

  const AntiEntropyOptions options_;
  const Parts parts_;
  env::AsyncMutex running_;  // one round at a time
  mutable std::mutex mutex_;
  std::map<env::NodeId, PeerReport> reports_;  // guarded by mutex_
  std::atomic<bool> closing_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::antientropy
