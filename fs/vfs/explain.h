// Explain: where an inode and its bytes lie in the store, for people who ask
// (`kvfs-admin explain`).
//
// Functions over a Client; no state. What a mount still buffers is not in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::fs {

struct ExplainedChunk {
  uint32_t level = 0;     // 0 = data, above = nodes of the tree
  uint64_t position = 0;  // in its level
  client::ChunkId id{};
  client::ChunkInfo info;
};

struct Explanation {
  InodeRef ref;
  Attr attr;
  Bytes partition_key;
  uint32_t partition = 0;
  std::vector<client::Sibling> versions;  // of the record, without their values
  std::string content;                    // "none", "inline", "hole", "chunks", "tree", "overlay"
  uint32_t tree_depth = 0;
  uint64_t overlay_blocks = 0;
  // In the order of the file, a node before its children; the first kMaxExplainedChunks.
  std::vector<ExplainedChunk> chunks;
  uint64_t chunk_count = 0;  // of data and nodes; holes are none
  // Over the first kMaxSummedChunks.
  uint64_t raw_bytes = 0;
  uint64_t stored_bytes = 0;
  uint64_t exclusive_bytes = 0;  // stored, of chunks that nothing else refers to
  uint64_t missing_chunks = 0;
  std::vector<std::string> links;  // "parent inode/name"
};
inline constexpr size_t kMaxExplainedChunks = 10'000;
inline constexpr uint64_t kMaxSummedChunks = 100'000;

// By path from the root of the filesystem; symlinks are not followed.
Task<FsResult<Explanation>> ExplainPath(client::Client* client, env::Env env, Bytes path);
Task<FsResult<Explanation>> ExplainInode(client::Client* client, InodeRef ref);

}  // namespace kvfs::fs
