#include "fs/chunk/content.h"

#include <algorithm>
#include <cstring>

namespace kvfs::fs {
namespace {

bool ParseId(ByteView bytes, ChunkId* id) {
  if (bytes.size() != id->size()) {
    return false;
  }
  std::memcpy(id->data(), bytes.data(), id->size());
  return *id != kHole;
}

}  // namespace

uint64_t AllocatedBytes(const Content& content, const Geometry& geometry) {
  if (!content.chunked) {
    return content.size;
  }
  const uint64_t size_in_blocks = (content.size + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  return std::min(content.data_chunks * geometry.chunk_bytes, size_in_blocks);
}

Result<Content> ParseContent(const pb::Inode& record, const Geometry& geometry) {
  const pb::Content& stored = record.content();
  Content content;
  content.size = record.size();
  content.chunked = stored.is_chunked();
  content.overlay = stored.overlay();
  content.data_chunks = stored.data_chunks();
  const auto corrupt = [&](const char* what) {
    return Status::Corruption("inode " + std::to_string(record.ino()) + ": " + what);
  };
  if (content.size > kMaxFileBytes) {
    return corrupt("size beyond the largest file");
  }
  if (!content.chunked) {
    if (content.size > kMaxInlineBytes || content.overlay != 0 || stored.chunks_size() != 0 ||
        !stored.tree_root().empty()) {
      return corrupt("inline content that has chunks or is too large");
    }
    return content;
  }
  content.tree.limit = std::max(geometry.ChunkCount(content.size), stored.untrimmed_chunks());
  content.tree.depth = geometry.DepthFor(content.tree.limit);
  if (stored.untrimmed_chunks() > geometry.ChunkCount(kMaxFileBytes) ||
      content.tree.depth != stored.tree_depth()) {
    return corrupt("depth of the content tree does not fit its size");
  }
  if (content.tree.depth > 0) {
    if (stored.chunks_size() != 0 ||
        (!stored.tree_root().empty() && !ParseId(stored.tree_root(), &content.tree.root))) {
      return corrupt("bad root of the content tree");
    }
    return content;
  }
  if (static_cast<uint64_t>(stored.chunks_size()) > content.tree.limit ||
      !stored.tree_root().empty()) {
    return corrupt("more chunks than its size allows");
  }
  for (const std::string& name : stored.chunks()) {
    ChunkId id{};
    if (!name.empty() && !ParseId(name, &id)) {
      return corrupt("bad chunk name");
    }
    content.tree.list.push_back(id);
  }
  return content;
}

void StoreContent(const Content& content, const Geometry& geometry, pb::Inode* record) {
  record->set_size(content.size);
  pb::Content* stored = record->mutable_content();
  stored->Clear();
  if (!content.chunked) {
    record->set_allocated_bytes(0);
    return;
  }
  const uint64_t size_in_blocks = (content.size + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  record->set_allocated_bytes(std::min(content.data_chunks * geometry.chunk_bytes, size_in_blocks));
  stored->set_is_chunked(true);
  stored->set_overlay(content.overlay);
  stored->set_data_chunks(content.data_chunks);
  stored->set_tree_depth(content.tree.depth);
  if (content.NeedsTrim(geometry)) {
    stored->set_untrimmed_chunks(content.tree.limit);
  }
  if (content.tree.depth > 0) {
    if (content.tree.root != kHole) {
      stored->set_tree_root(Bytes(AsBytes(content.tree.root)));
    }
    return;
  }
  for (const ChunkId& id : content.tree.list) {
    stored->add_chunks(id == kHole ? Bytes() : Bytes(AsBytes(id)));
  }
}

}  // namespace kvfs::fs
