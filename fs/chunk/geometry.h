// Geometry: how the bytes of a file are cut into chunks, and chunks into a tree.
//
// Chunk i holds bytes [i * chunk_bytes, (i + 1) * chunk_bytes). Up to kListedChunks
// of them are named by the record itself (depth 0); beyond that by a tree of depth
// 1, 2, ... whose node (level, position) covers the chunks [position * f^level,
// (position + 1) * f^level) for fan-out f. Level 0 is the data. A function of the
// size alone, so two files of the same bytes have the same tree. Values, pure.
#pragma once

#include <cstdint>

#include "fs/meta/types.h"

namespace kvfs::fs {

inline constexpr uint32_t kListedChunks = 8;
inline constexpr uint32_t kTreeFanOut = 256;
inline constexpr uint32_t kBlockBytes = 4096;  // of overlays
inline constexpr uint32_t kMaxTreeDepth = 8;

struct Geometry {
  uint32_t chunk_bytes = 128u << 10;  // a multiple of kBlockBytes, at most 64 of them
  uint32_t fan_out = kTreeFanOut;

  uint64_t ChunkCount(uint64_t size) const {
    return size / chunk_bytes + (size % chunk_bytes != 0 ? 1 : 0);
  }
  uint64_t ChunkOf(uint64_t offset) const { return offset / chunk_bytes; }
  uint64_t StartOf(uint64_t chunk) const { return chunk * chunk_bytes; }
  // Bytes of `chunk` that lie inside a file of `size` bytes.
  uint64_t LengthIn(uint64_t chunk, uint64_t size) const {
    const uint64_t start = StartOf(chunk);
    return size <= start ? 0 : (size - start < chunk_bytes ? size - start : chunk_bytes);
  }
  uint32_t BlocksPerChunk() const { return chunk_bytes / kBlockBytes; }

  // 0 = the record lists the chunks.
  uint32_t DepthFor(uint64_t chunks) const;
  // Chunks that a node of `level` covers.
  uint64_t Span(uint32_t level) const;
};

}  // namespace kvfs::fs
