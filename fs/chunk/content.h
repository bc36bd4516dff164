// Content: where the bytes of a regular file are; the parsed form of the message
// Content of its record, together with the size.
//
// Either inline (at most kMaxInlineBytes, beside the record) or chunked: a list of
// chunk names or the root of a tree of them, with the blocks of an overlay over them.
// A file becomes chunked when it outgrows the inline item and stays so until it is
// truncated to nothing. Values, pure.
#pragma once

#include <cstdint>
#include <vector>

#include "fs/chunk/geometry.h"
#include "fs/meta/records.pb.h"
#include "kvcore/base/status.h"
#include "kvcore/client/types.h"

namespace kvfs::fs {

using client::ChunkId;

// The name that no chunk has: a hole.
inline constexpr ChunkId kHole{};

// The names of the chunks [0, limit) of a file.
struct ChunkTree {
  uint64_t limit = 0;         // chunks from here on are holes
  uint32_t depth = 0;         // 0: `list`; else the level of `root`
  std::vector<ChunkId> list;  // may be shorter than `limit`: holes
  ChunkId root{};             // kHole: all holes

  bool operator==(const ChunkTree&) const = default;
};

struct Content {
  uint64_t size = 0;
  bool chunked = false;
  ChunkTree tree;
  uint64_t overlay = 0;      // 0 = none
  uint64_t data_chunks = 0;  // of the tree, without holes

  bool operator==(const Content&) const = default;

  // The tree still names chunks beyond the end of the file: a large truncation is under way.
  bool NeedsTrim(const Geometry& geometry) const { return tree.limit > geometry.ChunkCount(size); }
};

// What stat(2) counts: the chunks that are not holes, up to the end of the file.
uint64_t AllocatedBytes(const Content& content, const Geometry& geometry);

// kCorruption if the record makes no sense.
Result<Content> ParseContent(const pb::Inode& record, const Geometry& geometry);
// Writes `content` and its size into the record.
void StoreContent(const Content& content, const Geometry& geometry, pb::Inode* record);

}  // namespace kvfs::fs
