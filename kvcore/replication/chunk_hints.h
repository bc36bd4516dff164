// ChunkHints: hands chunks that were put here while no majority of their homes answered to the
// homes that miss them, and forgets about each when they all have it.
//
// Owned by the node; borrowed parts. Thread-safe.
#pragma once

#include <atomic>

#include "kvcore/env/task_set.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"

namespace kvfs::replication {

struct ChunkHintsOptions {
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  int64_t every_micros = 1'000'000;  // between two looks at what is left
  int64_t call_micros = 2'000'000;
};

class ChunkHints {
 public:
  ChunkHints(const ChunkHintsOptions& options, const Placement* placement, Peers* peers,
             ChunkHome* home, env::Scheduler* scheduler)
      : options_(options),
        placement_(placement),
        peers_(peers),
        home_(home),
        scheduler_(scheduler),
        tasks_(scheduler) {}

  void Start() { tasks_.Start(Run()); }
  // Returns when nothing runs.
  Task<void> Close();

 private:
  Task<void> Run();
  // One walk over all of them.
  Task<Status> HandOver();
  // OK: every home has it.
  Task<Status> Give(ChunkId id);

  const ChunkHintsOptions options_;
  const Placement* const placement_;
  Peers* const peers_;
  ChunkHome* const home_;
  env::Scheduler* const scheduler_;
  std::atomic<bool> closing_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::replication
