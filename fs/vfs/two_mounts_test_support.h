// TwoMounts: two Vfs over one store in memory, each told of what the other changes, and each with
// a kernel that notes what it is to forget. Not thread-safe.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "fs/meta/posix.h"
#include "fs/vfs/vfs.h"
#include "tests/support/local_fs_store.h"
#include "tests/support/telling_client.h"

namespace kvfs::fs {

class NotedKernel final : public KernelCache {
 public:
  explicit NotedKernel(env::Scheduler* scheduler) : scheduler_(scheduler) {}
  void ForgetName(Ino directory, Bytes name) override { names.emplace(directory, name); }
  void ForgetAttributes(Ino ino) override { attributes.insert(ino); }
  void ForgetPages(Ino ino, std::function<void()> done) override {
    pages.insert(ino);
    if (done) {
      scheduler_->Post(env::Priority::kForeground, std::move(done));
    }
  }
  void Clear() {
    names.clear();
    attributes.clear();
    pages.clear();
  }

  std::set<std::pair<Ino, Bytes>> names;
  std::set<Ino> attributes;
  std::set<Ino> pages;

 private:
  env::Scheduler* const scheduler_;
};

struct Mount {
  Mount(testing::LocalFsStore* store, std::set<testing::TellingClient*>* all,
        const VfsOptions& options)
      : client(store->client(), store->env(), all),
        kernel(&store->steps()),
        vfs(Vfs::Create(options, &client, store->env())) {
    vfs->SetKernelCache(&kernel);
  }
  Vfs* operator->() { return vfs.get(); }

  testing::TellingClient client;
  NotedKernel kernel;
  std::unique_ptr<Vfs> vfs;
};

class TwoMounts {
 public:
  explicit TwoMounts(VfsOptions options = {}) {
    options.is_shared = true;
    options.orphan_grace_micros = 60'000'000;
    for (auto& mount : mounts_) {
      mount = std::make_unique<Mount>(&store_, &clients_, options);
      [[maybe_unused]] const Errno started = Await(mount->vfs->Start(who));
      assert(started.ok());
    }
  }
  ~TwoMounts() {
    for (size_t i = 0; i < 2; ++i) {
      if (mounts_[i] != nullptr) {
        Stop(i);
      }
    }
  }

  Mount& operator[](size_t i) { return *mounts_[i]; }
  testing::LocalFsStore& store() { return store_; }
  template <typename T>
  T Await(Task<T> task) {
    return store_.Await(std::move(task));
  }
  void Advance(int64_t micros) { store_.steps().Advance(micros); }
  // Unmounted.
  void Stop(size_t i) {
    mounts_[i]->vfs->SetKernelCache(nullptr);
    (void)Await(mounts_[i]->vfs->Stop());
    mounts_[i].reset();
  }

  // A file in the root, made on the first mount and known to both; its inode.
  Ino MakeFile(const std::string& name, const Bytes& content) {
    auto created = Await(mounts_[0]->vfs->CreateFile(kRootIno, name, 0644, O_RDWR, who));
    assert(created.ok());
    const Ino ino = created->attr.ino;
    Write(0, ino, created->open.handle, 0, content);
    (void)Await(mounts_[0]->vfs->Flush(ino, created->open.handle));
    (void)Await(mounts_[0]->vfs->Release(ino, created->open.handle));
    [[maybe_unused]] const auto seen = Await(mounts_[1]->vfs->Lookup(kRootIno, name));
    assert(seen.ok());
    Advance(100'000);
    return ino;
  }
  uint64_t Open(size_t i, Ino ino, int flags = O_RDWR) {
    auto open = Await(mounts_[i]->vfs->Open(ino, flags));
    return open.ok() ? open->handle : 0;
  }
  bool Write(size_t i, Ino ino, uint64_t handle, uint64_t offset, const Bytes& data) {
    return Await(mounts_[i]->vfs->Write(ino, handle, offset, data)).ok();
  }
  bool Flush(size_t i, Ino ino, uint64_t handle) {
    return Await(mounts_[i]->vfs->Flush(ino, handle)).ok();
  }
  Bytes Read(size_t i, Ino ino, uint64_t handle) {
    auto pieces = Await(mounts_[i]->vfs->Read(ino, handle, 0, 1 << 20));
    if (!pieces.ok()) {
      return "E" + std::to_string(pieces.error().value());
    }
    Bytes bytes;
    for (const ReadPiece& piece : *pieces) {
      bytes += piece.buffer == nullptr ? Bytes(piece.size, '\0')
                                       : piece.buffer->substr(piece.offset, piece.size);
    }
    return bytes;
  }

  Credentials who{.uid = 1000, .gid = 1000, .umask = 022, .pid = 1};

 private:
  testing::LocalFsStore store_;
  std::set<testing::TellingClient*> clients_;
  std::unique_ptr<Mount> mounts_[2];
};

}  // namespace kvfs::fs
