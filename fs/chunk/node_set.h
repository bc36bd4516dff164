// NodeSet: the nodes of content trees at hand during one computation, and those
// found missing. The pure functions of this folder look nodes up here; when one is
// missing they go on as far as they can and say so, and the caller reads what is
// missing and asks again (at most once per level). One user.
//
// A node is the concatenation of its children's names, 32 bytes each, kHole for a
// hole, without the holes at the end. doc/formats/filesystem.md.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "fs/chunk/content.h"

namespace kvfs::fs {

class NodeSet {
 public:
  explicit NodeSet(uint32_t fan_out) : fan_out_(fan_out) {}

  // kCorruption if `bytes` is no node.
  Status Add(const ChunkId& id, std::shared_ptr<const Bytes> bytes);

  // Null, and noted as missing, if it is not here. REQUIRES: id is not a hole.
  const Bytes* Find(const ChunkId& id);

  const std::vector<ChunkId>& missing() const { return missing_; }
  void ClearMissing() { missing_.clear(); }

 private:
  const uint32_t fan_out_;
  std::map<ChunkId, std::shared_ptr<const Bytes>> nodes_;
  std::vector<ChunkId> missing_;
};

// Child `index` of a node; kHole beyond its end.
ChunkId NodeEntry(const Bytes& node, uint64_t index);
// Number of children it lists; the rest are holes.
inline uint64_t NodeEntryCount(const Bytes& node) { return node.size() / sizeof(ChunkId); }
Bytes EncodeNode(const std::vector<ChunkId>& entries);

}  // namespace kvfs::fs
