// Changing the content tree: from an old tree and the chunks that change, the new
// tree, the nodes to store and every reference that is no longer needed. Nodes that
// do not change keep their names and references; ranges that are cut off or punched
// cost as much as the nodes that exist in them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "fs/chunk/node_set.h"

namespace kvfs::fs {

// Chunks [begin, end).
struct ChunkRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct TreeEdit {
  uint64_t new_limit = 0;              // chunks from here on go
  std::map<uint64_t, ChunkId> chunks;  // new names; kHole makes a hole
  std::vector<ChunkRange> erased;      // become holes, but for those in `chunks`
};

// A place in the tree and what lies, or lay, there.
struct PlacedChunk {
  ChunkId id{};
  uint8_t level = 0;
  uint64_t position = 0;

  bool operator==(const PlacedChunk&) const = default;
};

struct NodePut {
  PlacedChunk place;
  Bytes bytes;
};

struct TreeChange {
  ChunkTree tree;
  std::vector<NodePut> puts;       // nodes only: the caller has the data chunks
  std::vector<PlacedChunk> drops;  // of all levels
  std::vector<PlacedChunk> added;  // data chunks that are new at their place
  uint64_t data_chunks = 0;
};

// Nothing while nodes are missing.
std::optional<TreeChange> PlanTreeChange(const Geometry& geometry, const ChunkTree& old_tree,
                                         uint64_t old_data_chunks, const TreeEdit& edit,
                                         NodeSet* nodes);

}  // namespace kvfs::fs
