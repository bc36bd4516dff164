// ContentReader: the published bytes of a file, as of one Snapshot: inline bytes,
// chunks and the overlay's blocks over them. Owned by the FileManager; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "fs/vfs/chunk_reader.h"
#include "fs/vfs/file_state.h"

namespace kvfs::fs {

class ContentReader {
 public:
  ContentReader(client::Client* client, ChunkReader* chunks) : client_(client), chunks_(chunks) {}

  // Bytes [begin, end), without those in write buffers; beyond the end of the file, zeros. `whole`:
  // read chunks whole, more of them will be wanted. ENOENT: the snapshot is too old.
  Task<FsResult<ReadPieces>> Read(FileState* state, Snapshot snapshot, uint64_t begin, uint64_t end,
                                  bool whole);
  // Which blocks lie over a chunk; from the index, else from the store.
  Task<FsResult<BlockSet>> FindBlocks(FileState* state, Snapshot snapshot, uint64_t chunk);

 private:
  Task<FsResult<ReadPieces>> ReadBase(ChunkId id, uint64_t begin, uint64_t end, bool whole);
  // The items of `blocks`, in order; bit 0 is `first_block` of the file. ENOENT: not all are there.
  Task<FsResult<std::vector<client::Item>>> ReadBlocks(const Snapshot* snapshot,
                                                       uint64_t first_block, BlockSet blocks);
  Task<FsResult<ReadPieces>> ReadInChunk(FileState* state, Snapshot snapshot, ChunkId id,
                                         uint64_t begin, uint64_t end, bool whole);

  client::Client* const client_;
  ChunkReader* const chunks_;
};

// Adds bytes [offset, offset + size) of a buffer; what lies beyond its end as zeros.
void AppendPiece(ReadPieces* pieces, std::shared_ptr<const Bytes> buffer, uint64_t offset,
                 uint64_t size);
// `size` bytes of the pieces, one after the other.
Bytes JoinPieces(const ReadPieces& pieces);

}  // namespace kvfs::fs
