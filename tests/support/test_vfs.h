// TestVfs: a started Vfs over a store in memory, called without waiting. Not
// thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "fs/meta/fsck.h"
#include "fs/meta/posix.h"
#include "fs/vfs/vfs.h"
#include "kvcore/node/store_check.h"
#include "tests/support/local_fs_store.h"

namespace kvfs::testing {

class TestVfs {
 public:
  explicit TestVfs(uint64_t seed = 1, const fs::VfsOptions& options = {})
      : options_(options), store_(seed) {
    Start();
  }
  TestVfs(LocalFsStore::Options store, const fs::VfsOptions& options)
      : options_(options), store_(std::move(store)) {
    Start();
  }
  ~TestVfs() {
    if (vfs_ != nullptr) {
      (void)Await(vfs_->Stop());
    }
  }

  LocalFsStore& store() { return store_; }
  fs::Vfs& vfs() { return *vfs_; }
  fs::Vfs* operator->() { return vfs_.get(); }
  template <typename T>
  T Await(Task<T> task) {
    return store_.Await(std::move(task));
  }
  void Advance(int64_t micros) { store_.steps().Advance(micros); }

  // As unmounted and mounted again.
  void Remount() {
    [[maybe_unused]] const fs::Errno stopped = Await(vfs_->Stop());
    assert(stopped.ok());
    vfs_.reset();
    store_.Restart();
    Start();
  }

  // The inode at a path, counted as one lookup of each part; 0 if there is none.
  fs::Ino Walk(const std::string& path) {
    fs::Ino ino = fs::kRootIno;
    size_t at = 0;
    while (at < path.size()) {
      const size_t begin = path[at] == '/' ? at + 1 : at;
      const size_t end = std::min(path.find('/', begin), path.size());
      if (end > begin) {
        auto next = Await(vfs_->Lookup(ino, path.substr(begin, end - begin)));
        if (!next.ok()) {
          return 0;
        }
        ino = next->attr.ino;
      }
      at = end;
    }
    return ino;
  }

  // Creates or opens, writes and closes.
  fs::Ino WriteFile(fs::Ino dir, const std::string& name, const Bytes& content) {
    auto created = Await(vfs_->CreateFile(dir, name, 0644, O_RDWR | O_TRUNC, who));
    if (!created.ok()) {
      return 0;
    }
    const fs::Ino ino = created->attr.ino;
    const uint64_t handle = created->open.handle;
    bool ok = Await(vfs_->Write(ino, handle, 0, content)).ok();
    ok = Await(vfs_->Flush(ino, handle)).ok() && ok;
    ok = Await(vfs_->Release(ino, handle)).ok() && ok;
    return ok ? ino : 0;
  }
  Bytes ReadHandle(fs::Ino ino, uint64_t handle, uint64_t offset = 0, uint64_t size = 1 << 20) {
    auto pieces = Await(vfs_->Read(ino, handle, offset, size));
    if (!pieces.ok()) {
      return "E" + std::to_string(pieces.error().value());
    }
    Bytes bytes;
    for (const fs::ReadPiece& piece : *pieces) {
      if (piece.buffer == nullptr) {
        bytes.append(piece.size, '\0');
      } else {
        bytes.append(*piece.buffer, piece.offset, piece.size);
      }
    }
    return bytes;
  }
  Bytes ReadFile(fs::Ino ino) {
    auto open = Await(vfs_->Open(ino, O_RDONLY));
    if (!open.ok()) {
      return "E" + std::to_string(open.error().value());
    }
    Bytes bytes = ReadHandle(ino, open->handle);
    (void)Await(vfs_->Release(ino, open->handle));
    return bytes;
  }

  fs::FsckReport Fsck() {
    const auto pks = node::ListPartitionKeys(&store_.memory());
    assert(pks.ok());
    auto report =
        Await(fs::CheckFilesystem(store_.client(), store_.env(), fs::HomesAmong(*pks), false));
    assert(report.ok());
    return *report;
  }

  fs::Credentials who{.uid = 1000, .gid = 1000, .umask = 022, .pid = 1};

 private:
  void Start() {
    vfs_ = fs::Vfs::Create(options_, store_.client(), store_.env());
    [[maybe_unused]] const fs::Errno started = Await(vfs_->Start(who));
    assert(started.ok());
  }

  const fs::VfsOptions options_;
  LocalFsStore store_;
  std::unique_ptr<fs::Vfs> vfs_;
};

}  // namespace kvfs::testing
