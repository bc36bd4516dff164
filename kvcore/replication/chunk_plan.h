// The chunk core: what the puts and drops of one commit do to a chunk and its
// references. Pure but for the reads it asks of its ItemSource; the caller holds the
// lock of the chunk's partition meanwhile and carries the writes out.
#pragma once

#include <optional>
#include <vector>

#include "kvcore/replication/item_source.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

// Everything a commit wants of one chunk.
struct ChunkChange {
  ChunkId id{};
  std::optional<ByteView> data;  // if any of the puts brings it
  std::vector<ChunkRef> puts;
  std::vector<ChunkRef> drops;
  // What LocalStore::StageLarge returned for `data`, if that was done; and whether the writes that
  // were planned hold it.
  std::optional<Bytes> staged;
  bool staged_is_used = false;
};

// In the order of ids.
std::vector<ChunkChange> GroupByChunk(const std::vector<ChunkPut>& puts,
                                      const std::vector<ChunkDrop>& drops);

struct ChunkContext {
  versioning::Dot dot;  // of the references that are put
  versioning::HybridTime time = 0;
  bool one_actor = false;  // as in TxnContext
  Bytes reference;         // the value of the references
};

// Puts first, then drops: a reference that is put and dropped is not there afterwards. kNotFound: a
// put without bytes of a chunk that is not there.
Status PlanChunk(const ChunkContext& context, ItemSource* items, ChunkChange* change,
                 std::vector<StoreWrite>* writes);

}  // namespace kvfs::replication
