// ChunkHome: what a node does as one of the homes of a chunk: keeps the bytes as long as it
// holds a reference. Chunks never change and are named by their hash, so homes need no order
// among themselves: every put and drop stands for itself and may come twice.
//
// A reference carries a stamp: in which state the partition key of its owner was when the commit
// that put it began. A drop carries one too, and takes no reference away that has a later one: so
// a drop that was under way for long takes nothing away that a later commit has put again.
//
// Owned by the node; what it is built from is borrowed. Thread-safe. One lock per stripe of chunks,
// held over reads and one Apply of the store.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "kvcore/env/async_mutex.h"
#include "kvcore/proto/storage.pb.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/number_source.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

struct ChunkHomeOptions {
  // Chunks that are to be handed to homes which miss them. Then those that would need it are
  // refused (kNoSpace). 1 .. 2^32.
  uint64_t max_hints = 1u << 18;
};

class ChunkHome {
 public:
  // `dots` counts the dots of `storage_epoch`.
  ChunkHome(uint64_t storage_epoch, LocalStore* store, NumberSource* dots,
            env::Scheduler* scheduler, const ChunkHomeOptions& options = {});

  // kInvalidArgument: not a request of ours, or bytes that are not what their name says.
  Task<Result<pb::PutChunkReply>> Put(pb::PutChunkRequest request);
  Task<Status> Drop(pb::DropChunkRequest request);
  // As they lie here; whoever asked checks the hash.
  Task<Result<pb::ReadChunkReply>> Read(ChunkId id);
  // ---- hints: chunks put where no majority of their homes answered ----------

  struct Hint {
    ChunkId id{};
    uint64_t number = 0;  // of its last put
  };
  // Behind `after` (all zero: from the first), in order, at most `limit`.
  Result<std::vector<Hint>> Hints(const ChunkId& after, size_t limit);
  Result<uint64_t> HintCount();
  uint64_t max_hints() const { return options_.max_hints; }
  // What to send to the other homes, by stamps. None: nothing refers to the chunk any more.
  Result<std::vector<pb::PutChunkRequest>> PutsOf(const ChunkId& id);
  // The other homes have it, unless it was put again since.
  Task<Status> ForgetHint(Hint hint);

  // Takes the chunk away with all references to it, where this node keeps its partition no more;
  // `is_foreign`, asked with the chunk locked, says whether that is still so. False: it is not, or
  // others are still to be handed the chunk.
  Task<Result<bool>> Discard(ChunkId id, std::function<bool()> is_foreign);

  // What is here of a partition, for a home that looks for what it has missed.
  Result<pb::ListChunksReply> List(const pb::ListChunksRequest& request, uint32_t partition_bits);

 private:
  env::AsyncMutex& StripeOf(const ChunkId& id) { return *stripes_[id[0] % stripes_.size()]; }
  // Of `refs`, those that are not here with a later stamp, or (`or_equal`) the same one.
  Result<std::vector<ChunkRef>> WithoutLater(const ChunkId& id, const std::vector<ChunkRef>& refs,
                                             const PkState& stamp, bool or_equal);

  Result<bool> HasHint(const ChunkId& id);
  // The write that notes one, if there is room.
  Result<StoreWrite> NoteHint(const ChunkId& id, uint64_t number);

  const ChunkHomeOptions options_;
  const uint64_t storage_epoch_;
  LocalStore* const store_;
  NumberSource* const dots_;
  std::mutex hints_mutex_;              // guards the next
  std::optional<uint64_t> hint_count_;  // counted when first asked for; no less than there are
  std::vector<std::unique_ptr<env::AsyncMutex>> stripes_;
};

// Of a stored reference. kCorruption.
Result<PkState> StampOf(ByteView stored);
pb::ChunkRef ToProto(const ChunkRef& ref);
// kInvalidArgument.
Result<ChunkId> ChunkIdOf(ByteView bytes);
Result<std::vector<ChunkRef>> RefsOf(const google::protobuf::RepeatedPtrField<pb::ChunkRef>& refs);

}  // namespace kvfs::replication
