// Eraser: takes away what this node kept by former layouts and keeps no more, little by little.
// Only while one layout is in force: in a transition the old homes are still needed.
//
// Owned by the node; what it is built from is borrowed. Thread-safe.
#pragma once

#include <atomic>

#include "kvcore/client/ring_placement.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/home.h"

namespace kvfs::node {

struct EraserOptions {
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  int64_t look_micros = 1'000'000;
  int64_t pause_micros = 5'000;  // after `at_once` keys or chunks, so that others get their turn
  size_t at_once = 32;
};

class Eraser {
 public:
  struct Parts {
    const client::RingPlacement* placement = nullptr;
    replication::Home* home = nullptr;
    replication::ChunkHome* chunks = nullptr;
    replication::LocalStore* store = nullptr;
    env::Scheduler* scheduler = nullptr;
  };
  Eraser(const EraserOptions& options, const Parts& parts)
      : options_(options), parts_(parts), tasks_(parts.scheduler) {}

  void Start() { tasks_.Start(Run()); }
  // Partitions of which something is left, when it looked last.
  uint32_t left() const { return left_; }
  // Returns when nothing runs.
  Task<void> Close();

 private:
  Task<void> Run();
  // Whether one layout is in force, the one of this version, and gives the node no such partition.
  bool IsForeign(uint32_t partition, uint64_t version) const;
  // True: nothing is left of it.
  Task<Result<bool>> Erase(uint32_t partition, uint64_t version);

  const EraserOptions options_;
  const Parts parts_;
  std::atomic<bool> closing_{false};
  std::atomic<uint32_t> left_{0};
  env::TaskSet tasks_;
};

}  // namespace kvfs::node
