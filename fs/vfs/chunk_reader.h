// ChunkReader: chunks and tree nodes from the cache, else from the store. Two readers
// of one missing chunk make one read. Owned by the FileManager; thread-safe.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "fs/chunk/node_set.h"
#include "fs/chunk/tree_walk.h"
#include "fs/vfs/chunk_cache.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/async_mutex.h"

namespace kvfs::fs {

class ChunkReader {
 public:
  ChunkReader(client::Client* client, env::Scheduler* scheduler, const Geometry& geometry,
              uint64_t cache_bytes);

  // The whole chunk. kNotFound: it was given back; whoever named it has an old record.
  Task<Result<ChunkCache::Entry>> ReadWhole(ChunkId id);
  // Part `part` of the chunk (kPartBytes each; short or empty at its end), from the whole one if
  // that is cached.
  struct Part {
    ChunkCache::Entry bytes;
    uint64_t offset = 0;  // of bytes->front() in the chunk
  };
  Task<Result<Part>> ReadPart(ChunkId id, uint32_t part);

  // Reads what `nodes` misses.
  Task<Status> Fetch(NodeSet* nodes);
  // The names of chunks [first, first + count).
  Task<Result<std::vector<ChunkId>>> FindChunks(const ChunkTree* tree, uint64_t first,
                                                uint64_t count);

  bool IsCached(const ChunkId& id) { return cache_.Find(id, ChunkCache::kWhole) != nullptr; }
  void Remember(const ChunkId& id, ChunkCache::Entry bytes) {
    cache_.Insert(id, ChunkCache::kWhole, std::move(bytes));
  }

  const Geometry& geometry() const { return geometry_; }
  const ChunkCache& cache() const { return cache_; }

 private:
  Task<Result<ChunkCache::Entry>> ReadThrough(ChunkId id, uint32_t part);

  client::Client* const client_;
  const Geometry geometry_;
  ChunkCache cache_;
  // Held over a read from the store, so that others find the result in the cache.
  std::vector<std::unique_ptr<env::AsyncMutex>> reading_;
};

}  // namespace kvfs::fs
