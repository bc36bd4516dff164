// Drops: takes references to chunks away when nobody can come to need them again. A home whose
// copy of a pk is older than the commit that dropped them, or that holds a branch of it, may yet
// answer without a majority, and show, or let somebody build on, what refers to them: so they go
// only once every home of the commit's pks is at or beyond what the commit left, without a branch.
//
// What cannot go yet is tried again later, up to a bound and as long as this client lives; what is
// beyond that stays for good. Owned by the ClusterClient; borrowed parts. Thread-safe.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "kvcore/client/chunk_client.h"
#include "kvcore/env/task_set.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"

namespace kvfs::client {

struct DropsOptions {
  uint32_t partition_bits = 8;
  int64_t ask_micros = 1'000'000;     // what a home gets to tell its state
  int64_t patience_micros = 300'000;  // with homes that are about to come to it
  int64_t again_micros = 5'000'000;   // before what could not go is tried again
  size_t max_waiting = 100'000;       // references of commits that are tried again
};

struct DropJob {
  std::vector<Bytes> pks;                    // of the commit
  std::vector<replication::PkState> states;  // what it left, one per pk
  std::vector<ChunkDrop> drops;
  replication::PkState stamp;
};

class Drops {
 public:
  Drops(const DropsOptions& options, const replication::Placement* placement,
        replication::Peers* peers, ChunkClient* chunks, env::Clock* clock,
        env::Scheduler* scheduler)
      : options_(options),
        placement_(placement),
        peers_(peers),
        chunks_(chunks),
        clock_(clock),
        scheduler_(scheduler),
        tasks_(scheduler) {}

  // Done now, or later, or never.
  Task<void> Do(DropJob job);
  // Returns when nothing runs.
  Task<void> Close();

 private:
  enum class Held : uint8_t { kByAll, kNotYet, kUnknown };
  Task<Held> HeldAt(env::NodeId home, Bytes pk, replication::PkState state);
  // Whether every home has what the commit left.
  Task<Held> HeldByAll(const DropJob* job);
  void Later(DropJob job);
  Task<void> Again();

  const DropsOptions options_;
  const replication::Placement* const placement_;
  replication::Peers* const peers_;
  ChunkClient* const chunks_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  std::atomic<bool> closing_{false};
  std::mutex mutex_;  // guards the next three
  std::deque<DropJob> waiting_;
  size_t waiting_drops_ = 0;
  bool runs_ = false;
  env::TaskSet tasks_;
};

}  // namespace kvfs::client
