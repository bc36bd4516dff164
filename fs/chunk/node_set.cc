#include "fs/chunk/node_set.h"

#include <algorithm>
#include <cstring>

namespace kvfs::fs {

Status NodeSet::Add(const ChunkId& id, std::shared_ptr<const Bytes> bytes) {
  if (bytes->empty() || bytes->size() % sizeof(ChunkId) != 0 || NodeEntryCount(*bytes) > fan_out_) {
    return Status::Corruption("chunk " + ToHex(AsBytes(id)) + " is not a node of a content tree");
  }
  nodes_[id] = std::move(bytes);
  return Status::Ok();
}

const Bytes* NodeSet::Find(const ChunkId& id) {
  auto it = nodes_.find(id);
  if (it != nodes_.end()) {
    return it->second.get();
  }
  if (std::find(missing_.begin(), missing_.end(), id) == missing_.end()) {
    missing_.push_back(id);
  }
  return nullptr;
}

ChunkId NodeEntry(const Bytes& node, uint64_t index) {
  ChunkId id{};
  if (index < NodeEntryCount(node)) {
    std::memcpy(id.data(), node.data() + index * sizeof(ChunkId), sizeof(ChunkId));
  }
  return id;
}

Bytes EncodeNode(const std::vector<ChunkId>& entries) {
  size_t count = entries.size();
  while (count > 0 && entries[count - 1] == kHole) {
    --count;
  }
  return Bytes(reinterpret_cast<const char*>(entries.data()), count * sizeof(ChunkId));
}

}  // namespace kvfs::fs
