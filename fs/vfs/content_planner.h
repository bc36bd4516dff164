// ContentPlanner: what one change of a file's content comes to: chunks to store,
// references to drop, items to write, and the content afterwards. Reads what it needs
// of the old content, writes nothing. Owned by the Publisher; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "fs/chunk/tree_change.h"
#include "fs/vfs/content_reader.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::fs {

// A change of one file's content, to be published in one commit.
struct ContentChange {
  const WriteBuffer* data = nullptr;   // bytes written; borrowed
  std::optional<uint64_t> set_size;    // cut off or extended to it, before `data`
  uint64_t min_size = 0;               // at least this size after
  std::vector<ChunkRange> erased;      // become holes
  std::map<uint64_t, ChunkId> shared;  // chunks that the store has already
  bool may_leave_blocks = false;       // small parts may go into the overlay
  std::vector<uint64_t> folded;        // chunks that are to take up their overlay blocks
  bool ends_overlay = false;           // no chunk has blocks any more
};

// Fills one commit: so much is cut off at once, and the rest of a larger truncation follows.
inline constexpr uint64_t kMaxDropsPerCommit = 4096;

struct ContentPlan {
  Content content;
  std::shared_ptr<const Bytes> inline_bytes;
  std::vector<client::ChunkPut> puts;  // of data in `owned`, in the tree or in the change's buffer
  std::vector<client::ChunkDrop> drops;
  std::vector<client::Write> writes;
  std::map<uint64_t, BlockSet> blocks;  // of chunks whose overlay blocks change: what is there then
  bool is_fresh_overlay = false;
  // What the puts borrow, and the chunks worth remembering.
  std::vector<std::shared_ptr<const Bytes>> owned;
  std::vector<std::pair<ChunkId, std::shared_ptr<const Bytes>>> remember;
};

class ContentPlanner {
 public:
  ContentPlanner(client::Client* client, env::Random* random, env::Scheduler* scheduler,
                 ChunkReader* chunks, ContentReader* reader, uint32_t fold_blocks,
                 uint64_t unfolded_bytes)
      : client_(client),
        random_(random),
        scheduler_(scheduler),
        chunks_(chunks),
        reader_(reader),
        fold_blocks_(fold_blocks),
        unfolded_bytes_(unfolded_bytes) {}

  // `change` outlives the plan. The caller holds state->publishing.
  Task<FsResult<ContentPlan>> Plan(FileState* state, Snapshot base, const ContentChange* change);

 private:
  // What planning of one change works on.
  struct Work;

  void PlanInline(Work* work) const;
  // How many blocks of a chunk may lie over it: the rest is folded.
  uint32_t MostBlocks(FileState* state) const;
  Task<Errno> PlanChunk(Work* work, uint64_t chunk, ChunkId id);
  // Hashes the chunks that are to be stored, several at a time.
  Task<void> NameChunks(Work* work);
  Task<Errno> PlanBlocks(Work* work, uint64_t chunk, ChunkId id, BlockSet present, BlockSet dirty);
  Task<Errno> EraseBlocks(Work* work, uint64_t first_chunk, uint64_t end_chunk);
  void EraseBlocksOf(Work* work, uint64_t chunk, BlockSet present) const;
  Task<Errno> PlanTree(Work* work);

  client::Client* const client_;
  env::Random* const random_;
  env::Scheduler* const scheduler_;
  ChunkReader* const chunks_;
  ContentReader* const reader_;
  const uint32_t fold_blocks_;
  const uint64_t unfolded_bytes_;
};

}  // namespace kvfs::fs
