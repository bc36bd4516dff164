// What the tests of the FileManager stand on: a store in memory with small chunks, a
// directory to create files in, and the audit of its chunk references. Not thread-safe.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/vfs/content_reader.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/reference_audit_test_support.h"
#include "tests/support/local_fs_store.h"

namespace kvfs::fs {

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
    files_->Overlay(&*attr, files_->ReleasedCount());
    return *attr;
  }

  // The references in the store, and those that the contents of the files need.
  ReferenceSet StoredReferences(uint64_t* chunks = nullptr) {
    return fs::StoredReferences(&store_.memory(), chunks);
  }
  ReferenceSet NeededReferences(const std::vector<InodeRef>& files) {
    fs::NeededReferences<FileTestBench> needed(store_.client(), this);
    for (const InodeRef& ref : files) {
      needed.Add(ref);
    }
    return needed.references();
  }
  template <typename T>
  T Run(Task<T> task) {
    return store_.Await(std::move(task));
  }

 private:
  void Start() {
    names_ =
        std::make_unique<Namespace>(NamespaceOptions{}, store_.client(), store_.env(), nullptr);
    files_ = FileManager::Create(options_, store_.client(), store_.env());
  }

  testing::LocalFsStore store_;
  const FileManagerOptions options_;
  std::unique_ptr<Namespace> names_;
  std::unique_ptr<FileManager> files_;
};

}  // namespace kvfs::fs
