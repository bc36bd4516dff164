// ChunkRepair: brings a home a chunk that it has missed while it was away. It compares what it has
// of it with what the other homes have, and takes over what a majority of the homes holds without
// it: that is every chunk that was put and acknowledged, and not what one home has forgotten to
// drop. Which chunks to look at is found by kvcore/antientropy.
//
// Owned by the node; borrowed parts. Used by one coroutine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "kvcore/proto/storage.pb.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/peers.h"
#include "kvcore/replication/placement.h"

namespace kvfs::replication {

struct ChunkRepairOptions {
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  int64_t call_micros = 5'000'000;
  // Who is believed to be there; the others are not asked. Empty: all are.
  std::function<bool(env::NodeId)> is_alive{};
};

// Which references to take over: those that so many homes hold without this one.
enum class Takes : uint8_t {
  kMajority,  // that of a majority of all homes
  kPossible,  // as many of those that answer as hold whatever a majority holds
  kAny,       // one
};

// What is missing here: for each chunk the references, by stamp.
using MissedChunks = std::map<ChunkId, std::map<PkState, std::vector<ChunkRef>>>;

// Of references held by at least `majority` of `others`, those that are not in `own`, or with an
// older stamp; only of chunks with an id up to `last`. A reference that the others hold with
// several stamps has the latest. Pure.
MissedChunks FindMissed(const std::vector<pb::ListChunksReply>& others,
                        const pb::ListChunksReply& own, size_t majority, const ChunkId& last);

class ChunkRepair {
 public:
  ChunkRepair(const ChunkRepairOptions& options, const Placement* placement, Peers* peers,
              ChunkHome* home)
      : options_(options), placement_(placement), peers_(peers), home_(home) {}

  // Takes over what this home lacks of the chunk. Whether anything was. In a transition it is the
  // homes of the old layout that are asked.
  Task<Result<bool>> RepairChunk(ChunkId id, Takes takes);
  // The chunks of the partition of which this home lacks something that it would take over
  // (kPossible). kUnavailable: too few homes answer.
  Task<Result<std::vector<ChunkId>>> Missed(uint32_t partition);

 private:
  // Those of the homes to ask.
  std::vector<env::NodeId> Living(std::vector<env::NodeId> homes) const;
  // One page.
  Task<Result<pb::ListChunksReply>> List(env::NodeId home, pb::ListChunksRequest request);
  // What a home has of the chunk; nothing but that, or nothing.
  Task<Result<pb::ListChunksReply>> ListAt(env::NodeId home, ChunkId id);
  // All that a home has of the partition.
  Task<Result<pb::ListChunksReply>> ListAll(env::NodeId home, uint32_t partition);
  Task<Status> TakeOver(const std::vector<env::NodeId>* holders, ChunkId id,
                        const std::map<PkState, std::vector<ChunkRef>>* refs);

  const ChunkRepairOptions options_;
  const Placement* const placement_;
  Peers* const peers_;
  ChunkHome* const home_;
};

}  // namespace kvfs::replication
