// FileManager: folding the overlays of files that have lain idle.

#include "fs/meta/keys.h"
#include "fs/vfs/file_manager_impl.h"

namespace kvfs::fs {
namespace {

constexpr size_t kChunksPerCommit = 64;
constexpr uint32_t kBlocksPerScan = 256;

}  // namespace

Task<Errno> FileManagerImpl::FoldIdle(InodeRef ref, client::WorkKey key) {
  constexpr int64_t kMicrosPerSecond = 1'000'000;
  client::Txn txn;
  txn.pk = keys::DirectoryPk(ref.home);
  {
    Pin pin = files_.Acquire(ref);
    auto ops = co_await pin->ops.Lock();
    auto publishing = co_await pin->publishing.Lock();
    const Errno loaded = co_await publisher_.Reload(pin.get());
    if (!loaded.ok() && loaded != Errno(ESTALE)) {
      co_return loaded;
    }
    if (loaded.ok()) {
      bool is_idle = false;
      {
        std::lock_guard lock(pin->mutex);
        const int64_t written = GetTime(pin->inode.record.mtime()).seconds * kMicrosPerSecond;
        is_idle = pin->dirty.empty() &&
                  written + options_.fold_after_micros <= env_.clock->WallNanos() / 1000;
      }
      if (is_idle) {
        const Errno folded = co_await FoldAll(pin.get());
        if (!folded.ok()) {
          co_return folded;
        }
      } else {
        txn.work_puts.emplace_back(publisher_.FoldWork(ref), Bytes());
      }
    }
  }
  txn.work_erases.push_back(std::move(key));
  client::Commit commit;
  commit.txns.push_back(std::move(txn));
  auto result = co_await client_->Submit(std::move(commit));
  co_return ToErrno(result.status);
}

// REQUIRES: ops and publishing held, nothing buffered.
Task<Errno> FileManagerImpl::FoldAll(FileState* state) {
  const uint64_t per_chunk = chunks_.geometry().BlocksPerChunk();
  const Bytes pk = keys::DirectoryPk(state->ref.home);
  while (true) {
    uint64_t overlay = 0;
    {
      std::lock_guard lock(state->mutex);
      overlay = state->content->overlay;
    }
    if (overlay == 0) {
      co_return Errno();
    }
    const Bytes begin = keys::BlockPrefix(state->ref.ino, overlay);
    auto page = co_await client_->Scan(pk, begin, keys::PrefixEnd(begin), kBlocksPerScan);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    ContentChange change;
    for (const client::Item& item : page->items) {
      const auto block = keys::ParseBlock(item.ck);
      if (!block) {
        co_return Errno(EIO);
      }
      const uint64_t chunk = *block / per_chunk;
      if (change.folded.empty() || change.folded.back() != chunk) {
        if (change.folded.size() == kChunksPerCommit) {
          break;
        }
        change.folded.push_back(chunk);
      }
    }
    change.ends_overlay = page->items.empty();
    std::function<void()> no_action = [] {};
    const Errno folded = co_await publisher_.Publish(state, &change, PublishOptions(), no_action);
    if (!folded.ok()) {
      co_return folded == Errno(ENOENT) ? Errno(EIO) : folded;
    }
  }
}

}  // namespace kvfs::fs
