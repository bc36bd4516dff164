// ChunkClient: chunks at their homes. A put is done when a majority of a chunk's homes has the
// bytes and the reference; a read takes the bytes from any home and checks their hash.
//
// Owned by the ClusterClient; borrowed parts. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "kvcore/client/types.h"
#include "kvcore/env/clock.h"
#include "kvcore/env/task_set.h"
#include "kvcore/proto/storage.pb.h"
#include "kvcore/replication/chunk_plan.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"

namespace kvfs::client {

struct ChunkClientOptions {
  uint32_t partition_bits = 8;
  int64_t put_micros = 5'000'000;   // what a home gets to store a chunk
  int64_t read_micros = 2'000'000;  // and to hand one out
  int64_t drop_micros = 2'000'000;
  // How long a put that has its majority waits for the other homes: what does not reach them now
  // they lack until they are repaired.
  int64_t linger_micros = 200'000;
  // How long a put that some home has stored waits for a majority before it goes on without.
  int64_t degrade_micros = 1'000'000;
  int64_t retry_micros = 50'000;
  uint64_t window_bytes = 4u << 20;  // put at a time
};

class ChunkClient {
 public:
  ChunkClient(const ChunkClientOptions& options, const replication::Placement* placement,
              replication::Peers* peers, env::Clock* clock, env::Scheduler* scheduler)
      : options_(options),
        placement_(placement),
        peers_(peers),
        clock_(clock),
        scheduler_(scheduler),
        tasks_(scheduler) {}

  // Every put with this stamp (replication/chunk_home.h). kNotFound: one without bytes, of a chunk
  // that nobody has. kUnavailable: no majority by `deadline`; some may have happened. `available`:
  // what fewer homes have is enough, if they see to it that the others get it; true: so it was.
  Task<Result<bool>> Put(std::vector<ChunkPut> puts, replication::PkState stamp, bool sync,
                         int64_t deadline, bool available = false);
  // What cannot be reached keeps its references, and the bytes with them.
  Task<void> Drop(std::vector<ChunkDrop> drops, replication::PkState stamp);
  // The whole chunk, verified. kNotFound; kUnavailable; kCorruption: nobody reached has it whole.
  Task<Result<Bytes>> Read(ChunkId id, int64_t deadline);
  Task<Result<ChunkInfo>> Info(ChunkId id);

  // Returns when nothing runs. No call may come afterwards.
  Task<void> Close() { return tasks_.Drain(); }

 private:
  class Round;
  uint32_t PartitionOf(const ChunkId& id) const;
  std::vector<env::NodeId> HomesOf(const ChunkId& id) const;
  Task<Result<bool>> PutOne(replication::pb::PutChunkRequest request, int64_t deadline,
                            bool available);
  // Has homes that have stored it hand it to the others. OK: one of them does.
  Task<Status> Hint(std::vector<env::NodeId> homes, replication::pb::PutChunkRequest request);
  // `available`: ends before all have answered, where the others are silent for long.
  Task<std::shared_ptr<Round>> PutOnce(replication::Electorate electorate, Bytes body,
                                       bool available);
  // Puts and drops may come twice, so where the home has started anew meanwhile, and the first call
  // went to its former life, there is time for a second.
  Task<Result<Bytes>> CallAgain(env::NodeId home, replication::Method method,
                                std::shared_ptr<const Bytes> body, int64_t micros);
  Task<void> PutAt(env::NodeId home, std::shared_ptr<const Bytes> body,
                   std::shared_ptr<Round> round, bool available);
  Task<void> DropAt(env::NodeId home, std::shared_ptr<const Bytes> body);

  const ChunkClientOptions options_;
  const replication::Placement* const placement_;
  replication::Peers* const peers_;
  env::Clock* const clock_;
  env::Scheduler* const scheduler_;
  env::TaskSet tasks_;
};

}  // namespace kvfs::client
