#include "fs/vfs/explain.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fs/chunk/content.h"
#include "fs/chunk/node_set.h"
#include "fs/meta/inode_store.h"
#include "fs/meta/keys.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {
namespace {

constexpr uint32_t kPageItems = 1000;

// A chunk of the tree that is yet to be looked at.
struct Pending {
  uint32_t level = 0;
  uint64_t position = 0;
  ChunkId id{};
};

// Puts the children of a node on the stack, the first on top.
void PushChildren(const Bytes& node, const Pending& parent, const Geometry& geometry,
                  std::vector<Pending>* stack) {
  for (uint64_t i = NodeEntryCount(node); i-- > 0;) {
    const ChunkId id = NodeEntry(node, i);
    if (id != kHole) {
      stack->push_back({.level = parent.level - 1,
                        .position = parent.position * geometry.fan_out + i,
                        .id = id});
    }
  }
}

Task<Errno> ExplainChunks(client::Client* client, const Geometry* geometry, const ChunkTree* tree,
                          Explanation* out) {
  std::vector<Pending> stack;
  if (tree->depth > 0 && tree->root != kHole) {
    stack.push_back({.level = tree->depth, .position = 0, .id = tree->root});
  }
  for (uint64_t i = tree->list.size(); i-- > 0;) {
    if (tree->list[i] != kHole) {
      stack.push_back({.level = 0, .position = i, .id = tree->list[i]});
    }
  }
  std::set<ChunkId> seen;  // several places of one file may share a chunk
  while (!stack.empty()) {
    const Pending next = stack.back();
    stack.pop_back();
    ++out->chunk_count;
    client::ChunkInfo info;
    if (out->chunk_count <= kMaxSummedChunks) {
      auto found = co_await client->GetChunkInfo(next.id);
      if (!found.ok()) {
        co_return ToErrno(found.error());
      }
      info = *found;
      out->missing_chunks += info.present ? 0 : 1;
      if (seen.insert(next.id).second) {
        out->raw_bytes += info.raw_bytes;
        out->stored_bytes += info.stored_bytes;
        out->exclusive_bytes += info.references == 1 ? info.stored_bytes : 0;
      }
      if (out->chunks.size() < kMaxExplainedChunks) {
        out->chunks.push_back(
            {.level = next.level, .position = next.position, .id = next.id, .info = info});
      }
    }
    if (next.level == 0) {
      continue;
    }
    auto node = co_await client->ReadChunk(next.id, 0, UINT32_MAX);
    if (node.ok()) {
      PushChildren(*node, next, *geometry, &stack);
    }  // else it counts as missing, and what lies below it is not known
  }
  co_return 0;
}

Task<Errno> CountBlocks(client::Client* client, InodeRef ref, uint64_t overlay, uint64_t* count) {
  const Bytes prefix = keys::BlockPrefix(ref.ino, overlay);
  Bytes begin = prefix;
  while (true) {
    auto page = co_await client->Scan(keys::DirectoryPk(ref.home), begin, keys::PrefixEnd(prefix),
                                      kPageItems);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    *count += page->items.size();
    if (!page->more || page->items.empty()) {
      co_return 0;
    }
    begin = page->items.back().ck;
    begin.push_back('\0');
  }
}

Task<Errno> ExplainContent(client::Client* client, const pb::Inode* record, Explanation* out) {
  Geometry geometry;
  geometry.chunk_bytes = client->info().chunk_bytes;
  auto content = ParseContent(*record, geometry);
  if (!content.ok()) {
    co_return ToErrno(content.error());
  }
  if (!content->chunked) {
    out->content = content->size == 0 ? "none" : "inline";
    co_return 0;
  }
  const Errno listed = co_await ExplainChunks(client, &geometry, &content->tree, out);
  if (!listed.ok()) {
    co_return listed;
  }
  out->tree_depth = content->tree.depth;
  if (content->overlay != 0) {
    const Errno counted =
        co_await CountBlocks(client, out->ref, content->overlay, &out->overlay_blocks);
    if (!counted.ok()) {
      co_return counted;
    }
  }
  if (out->overlay_blocks > 0) {
    out->content = "overlay";
  } else if (out->chunk_count == 0) {
    out->content = "hole";
  } else {
    out->content = content->tree.depth > 0 ? "tree" : "chunks";
  }
  co_return 0;
}

std::string LinkText(const pb::Link& link) {
  return std::to_string(link.parent()) + "/" + link.name();
}

Task<Errno> ExplainLinks(client::Client* client, const pb::Inode* record, Explanation* out) {
  if (record->has_sole_link()) {
    out->links.push_back(LinkText(record->sole_link()));
    co_return 0;
  }
  const Bytes prefix = keys::LinkPrefix(out->ref.ino);
  auto page = co_await client->Scan(keys::DirectoryPk(out->ref.home), prefix,
                                    keys::PrefixEnd(prefix), kPageItems);
  if (!page.ok()) {
    co_return ToErrno(page.error());
  }
  for (const client::Item& item : page->items) {
    auto link = DecodeLink(item.value());
    if (link.ok()) {
      out->links.push_back(LinkText(*link));
    }
  }
  co_return 0;
}

}  // namespace

Task<FsResult<Explanation>> ExplainInode(client::Client* client, InodeRef ref) {
  auto inode = co_await LoadInode(client, ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  Explanation out;
  out.ref = ref;
  out.attr = AttrOf(inode->record);
  out.partition_key = keys::DirectoryPk(ref.home);
  // The leading bits of SHA-256(pk) name the partition.
  const Sha256Digest place = Sha256(out.partition_key);
  const uint32_t leading = uint32_t{place[0]} << 8 | place[1];
  out.partition = leading >> (16 - std::min(16u, client->info().partition_bits));

  auto item = co_await client->Get(keys::RecordItem(ref));
  if (!item.ok()) {
    co_return ToErrno(item.error());
  }
  if (item->has_value()) {
    out.versions = (*item)->siblings;
    for (client::Sibling& version : out.versions) {
      version.value.clear();
    }
  }
  const Errno linked = co_await ExplainLinks(client, &inode->record, &out);
  if (!linked.ok()) {
    co_return linked;
  }
  if (S_ISREG(out.attr.mode)) {
    const Errno content = co_await ExplainContent(client, &inode->record, &out);
    if (!content.ok()) {
      co_return content;
    }
  } else {
    out.content = S_ISLNK(out.attr.mode) ? "inline" : "none";
  }
  co_return out;
}

Task<FsResult<Explanation>> ExplainPath(client::Client* client, env::Env env, Bytes path) {
  Namespace names({}, client, env, nullptr);
  InodeRef ref{.ino = kRootIno, .home = kRootIno};
  size_t at = 0;
  while (at < path.size()) {
    const size_t begin = path.find_first_not_of('/', at);
    if (begin == Bytes::npos) {
      break;
    }
    const size_t end = std::min(path.find('/', begin), path.size());
    if (ref.ino != ref.home) {
      co_return Errno(ENOTDIR);
    }
    auto next = co_await names.Lookup(ref, path.substr(begin, end - begin));
    if (!next.ok()) {
      co_return next.error();
    }
    ref = next->ref;
    at = end;
  }
  auto explained = co_await ExplainInode(client, ref);
  co_return explained;
}

}  // namespace kvfs::fs
