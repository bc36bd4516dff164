// ConflictContent: the references to chunks of contents that lost a conflict. Owned by
// the FileManager, borrows client and reader; no state, so thread-safe.
//
// It holds the names of all chunks of one content in memory: 48 bytes for each 128 KiB.
#pragma once

#include <vector>

#include "fs/chunk/tree_change.h"
#include "fs/meta/conflict_resolver.h"
#include "fs/vfs/chunk_reader.h"

namespace kvfs::fs {

class ConflictContent final : public ContentKeeper {
 public:
  ConflictContent(client::Client* client, ChunkReader* chunks) : client_(client), chunks_(chunks) {}

  Task<Errno> AddReferences(InodeRef copy, pb::Inode content) override;
  Task<FsResult<std::vector<client::ChunkDrop>>> Surplus(InodeRef original, pb::Inode lost,
                                                         pb::Inode kept) override;

 private:
  // All chunks and nodes; none where the content is inline.
  Task<FsResult<std::vector<PlacedChunk>>> PlacesOf(const pb::Inode* record);

  client::Client* const client_;
  ChunkReader* const chunks_;
};

}  // namespace kvfs::fs
