// What the tests of the FileManager stand on: a store in memory with small chunks, a
// directory to create files in, and the audit of its chunk references. Not thread-safe.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "fs/chunk/node_set.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/vfs/content_reader.h"
#include "fs/vfs/file_manager.h"
#include "kvcore/replication/keys.h"
#include "tests/support/local_fs_store.h"

namespace kvfs::fs {

// (chunk, home, ino, level, position)
using ReferenceSet = std::set<std::tuple<ChunkId, Ino, Ino, int, uint64_t>>;

class FileTestBench {
 public:
  FileTestBench(uint64_t seed, uint32_t chunk_bytes, const FileManagerOptions& options)
      : store_(seed, chunk_bytes), options_(options) {
    Start();
    EXPECT_TRUE(Await(names_->Initialise({})).ok());
  }
  ~FileTestBench() {
    if (files_) {
      EXPECT_TRUE(Await(files_->Drain(false)).ok());
    }
  }

  testing::LocalFsStore& store() { return store_; }
  FileManager& files() { return *files_; }
  Namespace& names() { return *names_; }
  template <typename T>
  T Await(Task<T> task) {
    return store_.Await(std::move(task));
  }

  InodeRef Create(const std::string& name) {
    auto node = Await(names_->MakeNode(Root(), name, S_IFREG | 0644, 0, {}));
    EXPECT_TRUE(node.ok());
    return node->ref;
  }
  static InodeRef Root() { return {kRootIno, kRootIno}; }

  // As a remount: everything is published, and read anew.
  void Remount() {
    EXPECT_TRUE(Await(files_->Drain(true)).ok());
    Restart();
  }
  // As the death of the daemon: buffers are lost.
  void Restart() {
    files_.reset();
    names_.reset();
    store_.Restart();
    Start();
  }

  Bytes Read(InodeRef ref, uint64_t offset, uint64_t size) {
    auto pieces = Await(files_->Read(ref, offset, size));
    EXPECT_TRUE(pieces.ok()) << pieces.error().value();
    return pieces.ok() ? JoinPieces(*pieces) : Bytes();
  }
  Errno Write(InodeRef ref, uint64_t offset, Bytes data) {
    auto end = Await(files_->Write(ref, offset, std::move(data), false));
    return end.ok() ? Errno() : end.error();
  }
  Attr GetAttr(InodeRef ref) {
    auto attr = Await(names_->GetAttr(ref));
    EXPECT_TRUE(attr.ok());
    files_->Overlay(&*attr);
    return *attr;
  }

  // The references in the store, and those that the contents of the files need.
  ReferenceSet StoredReferences(uint64_t* chunks = nullptr) {
    ReferenceSet references;
    for (const auto& [key, value] : store_.memory().Contents()) {
      auto parsed = replication::ParseKey(key, true);
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
    return references;
  }
  ReferenceSet NeededReferences(const std::vector<InodeRef>& files) {
    Geometry geometry;
    geometry.chunk_bytes = store_.client()->info().chunk_bytes;
    ReferenceSet references;
    for (const InodeRef& ref : files) {
      auto inode = Await(LoadInode(store_.client(), ref));
      EXPECT_TRUE(inode.ok());
      auto content = ParseContent(inode->record, geometry);
      EXPECT_TRUE(content.ok());
      uint64_t data = 0;
      for (size_t i = 0; i < content->tree.list.size(); ++i) {
        Collect(ref, 0, i, content->tree.list[i], geometry, &references, &data);
      }
      Collect(ref, content->tree.depth, 0, content->tree.root, geometry, &references, &data);
      EXPECT_EQ(data, content->data_chunks);
    }
    return references;
  }

 private:
  void Start() {
    names_ =
        std::make_unique<Namespace>(NamespaceOptions{}, store_.client(), store_.env(), nullptr);
    files_ = FileManager::Create(options_, store_.client(), store_.env());
  }
  void Collect(InodeRef ref, uint32_t level, uint64_t position, const ChunkId& id,
               const Geometry& geometry, ReferenceSet* references, uint64_t* data) {
    if (id == kHole) {
      return;
    }
    references->emplace(id, ref.home, ref.ino, level, position);
    auto bytes = Await(store_.client()->ReadChunk(id, 0, 1u << 20));
    ASSERT_TRUE(bytes.ok());
    if (level == 0) {
      ++*data;
      return;
    }
    for (uint64_t i = 0; i < NodeEntryCount(*bytes); ++i) {
      Collect(ref, level - 1, position * geometry.fan_out + i, NodeEntry(*bytes, i), geometry,
              references, data);
    }
  }

  testing::LocalFsStore store_;
  const FileManagerOptions options_;
  std::unique_ptr<Namespace> names_;
  std::unique_ptr<FileManager> files_;
};

}  // namespace kvfs::fs
