// Reading the content tree: which chunk lies where, and where data and holes begin.
// Costs grow with the nodes that exist, never with the size of holes. Pure: nodes
// come from the NodeSet; where one is missing the answer is "not yet".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fs/chunk/node_set.h"

namespace kvfs::fs {

// The names of the chunks [first, first + count), kHole for holes. Nothing while nodes are missing.
std::optional<std::vector<ChunkId>> FindChunks(const Geometry& geometry, const ChunkTree& tree,
                                               uint64_t first, uint64_t count, NodeSet* nodes);

inline constexpr uint64_t kNoChunk = ~uint64_t{0};

// The first chunk >= `from` that is not a hole; kNoChunk if there is none.
std::optional<uint64_t> NextData(const Geometry& geometry, const ChunkTree& tree, uint64_t from,
                                 NodeSet* nodes);
// The first chunk >= `from` that is a hole; at most tree.limit.
std::optional<uint64_t> NextHole(const Geometry& geometry, const ChunkTree& tree, uint64_t from,
                                 NodeSet* nodes);
// The smallest `begin` >= `floor` such that the chunks [begin, end) hold at most `max_data` chunks
// that are no holes: how much may be cut off in one commit.
std::optional<uint64_t> CutPoint(const Geometry& geometry, const ChunkTree& tree, uint64_t floor,
                                 uint64_t end, uint64_t max_data, NodeSet* nodes);

}  // namespace kvfs::fs
