// Overlay: which 4 KiB blocks of a chunk lie as items p/<ino>/<overlay>/<block> over
// it. Small overwrites become blocks; a chunk that has gathered too many is folded:
// chunk and blocks become a new chunk. doc/content.md. Values, pure.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "fs/chunk/geometry.h"

namespace kvfs::fs {

// Blocks of one chunk; bit i = its block i.
using BlockSet = uint64_t;

// The blocks that the bytes [begin, end) of a chunk touch. REQUIRES: begin < end.
inline BlockSet BlocksOf(uint64_t begin, uint64_t end) {
  const uint64_t first = begin / kBlockBytes;
  const uint64_t last = (end - 1) / kBlockBytes;
  const BlockSet up_to_last = last >= 63 ? ~BlockSet{0} : (BlockSet{1} << (last + 1)) - 1;
  return up_to_last & ~((BlockSet{1} << first) - 1);
}

// Whether a publish that dirties `dirty` of a stored chunk with blocks `present` over it leaves
// blocks (true) or folds.
inline bool LeavesBlocks(const Geometry& geometry, BlockSet present, BlockSet dirty,
                         uint32_t fold_blocks) {
  const int most_dirty = static_cast<int>(std::max(1u, geometry.BlocksPerChunk() / 4));
  return std::popcount(dirty) <= most_dirty &&
         std::popcount(present | dirty) <= static_cast<int>(fold_blocks);
}

// What is known of one file's overlay. Bounded: forgets everything when it grows too large.
class OverlayIndex {
 public:
  // Nothing if the blocks of the chunk are not known.
  std::optional<BlockSet> Find(uint64_t chunk) const {
    auto it = chunks_.find(chunk);
    if (it != chunks_.end()) {
      return it->second;
    }
    return others_are_empty_ ? std::optional<BlockSet>(0) : std::nullopt;
  }
  void Set(uint64_t chunk, BlockSet blocks) {
    if (chunks_.size() >= kMaxChunks) {
      Forget();
    }
    BlockSet& known = chunks_[chunk];
    block_count_ += std::popcount(blocks);
    block_count_ -= std::popcount(known);
    known = blocks;
    if (blocks == 0 && others_are_empty_) {
      chunks_.erase(chunk);
    }
  }
  // How many blocks are known of.
  int64_t block_count() const { return block_count_; }
  // A fresh overlay: no chunk has blocks.
  void Reset() {
    chunks_.clear();
    block_count_ = 0;
    others_are_empty_ = true;
  }
  void Forget() {
    chunks_.clear();
    block_count_ = 0;
    others_are_empty_ = false;
  }

 private:
  static constexpr size_t kMaxChunks = 65'536;
  std::unordered_map<uint64_t, BlockSet> chunks_;
  int64_t block_count_ = 0;
  bool others_are_empty_ = false;
};

}  // namespace kvfs::fs
