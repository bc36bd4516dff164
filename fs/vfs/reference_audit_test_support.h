// For tests: the chunk references that lie in a store, and those that the contents of
// given files need. After quiet they are the same: nothing leaks, nothing is missing.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <tuple>
#include <vector>

#include "fs/chunk/node_set.h"
#include "fs/meta/inode_store.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::fs {

// (chunk, home, ino, level, position)
using ReferenceSet = std::set<std::tuple<ChunkId, Ino, Ino, int, uint64_t>>;

inline ReferenceSet StoredReferences(replication::LocalStore* store, uint64_t* chunks = nullptr) {
  ReferenceSet references;
  auto items = store->Scan("", "");
  for (; items->Valid(); items->Next()) {
    auto parsed = replication::ParseKey(items->key(), true);
    EXPECT_TRUE(parsed.ok());
    if (parsed->kind == replication::KeyKind::kChunkRef) {
      auto ref = replication::DecodeRefCk(parsed->ck);
      EXPECT_TRUE(ref.ok());
      references.emplace(replication::ChunkIdOfPk(parsed->pk), ref->home, ref->ino, ref->level,
                         ref->position);
    } else if (parsed->kind == replication::KeyKind::kChunkData && chunks != nullptr) {
      ++*chunks;
    }
  }
  EXPECT_TRUE(items->status().ok());
  return references;
}

// `Runner` has Run(task), which runs it to its end.
template <typename Runner>
class NeededReferences {
 public:
  NeededReferences(client::Client* client, Runner* runner) : client_(client), runner_(runner) {
    geometry_.chunk_bytes = client->info().chunk_bytes;
  }

  void Add(InodeRef ref) {
    auto inode = runner_->Run(LoadInode(client_, ref));
    ASSERT_TRUE(inode.ok());
    auto content = ParseContent(inode->record, geometry_);
    ASSERT_TRUE(content.ok());
    uint64_t data = 0;
    for (size_t i = 0; i < content->tree.list.size(); ++i) {
      Collect(ref, 0, i, content->tree.list[i], &data);
    }
    Collect(ref, content->tree.depth, 0, content->tree.root, &data);
    EXPECT_EQ(data, content->data_chunks);
  }
  const ReferenceSet& references() const { return references_; }

 private:
  void Collect(InodeRef ref, uint32_t level, uint64_t position, const ChunkId& id, uint64_t* data) {
    if (id == kHole) {
      return;
    }
    references_.emplace(id, ref.home, ref.ino, level, position);
    auto bytes = runner_->Run(client_->ReadChunk(id, 0, 1u << 20));
    ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
    if (level == 0) {
      ++*data;
      return;
    }
    for (uint64_t i = 0; i < NodeEntryCount(*bytes); ++i) {
      Collect(ref, level - 1, position * geometry_.fan_out + i, NodeEntry(*bytes, i), data);
    }
  }

  client::Client* const client_;
  Runner* const runner_;
  Geometry geometry_;
  ReferenceSet references_;
};

}  // namespace kvfs::fs
