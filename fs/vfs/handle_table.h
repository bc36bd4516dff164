// HandleTable: the open files behind the numbers that the kernel holds.
//
// Owned by the Vfs. Thread-safe: sharded by number. An entry stays alive while
// somebody uses it, also after its release.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "fs/meta/types.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/lock_list.h"

namespace kvfs::fs {

struct OpenFile {
  InodeRef ref;
  FileHandle file = 0;  // of the FileManager
  int flags = 0;        // of open(2)
  std::atomic<bool> has_read = false;
  std::mutex mutex;               // guards `locked_by`
  std::set<LockOwner> locked_by;  // whoever has locked the file through this handle
};

class HandleTable {
 public:
  uint64_t Add(std::shared_ptr<OpenFile> file) {
    const uint64_t handle = next_.fetch_add(1, std::memory_order_relaxed);
    Shard& shard = shards_[handle % kShards];
    std::lock_guard lock(shard.mutex);
    shard.files.emplace(handle, std::move(file));
    return handle;
  }
  // Null if there is none.
  std::shared_ptr<OpenFile> Find(uint64_t handle) {
    Shard& shard = shards_[handle % kShards];
    std::lock_guard lock(shard.mutex);
    auto it = shard.files.find(handle);
    return it == shard.files.end() ? nullptr : it->second;
  }
  std::shared_ptr<OpenFile> Remove(uint64_t handle) {
    Shard& shard = shards_[handle % kShards];
    std::lock_guard lock(shard.mutex);
    auto it = shard.files.find(handle);
    if (it == shard.files.end()) {
      return nullptr;
    }
    auto file = std::move(it->second);
    shard.files.erase(it);
    return file;
  }

 private:
  struct Shard {
    std::mutex mutex;  // guards `files`
    std::unordered_map<uint64_t, std::shared_ptr<OpenFile>> files;
  };
  static constexpr size_t kShards = 16;

  std::atomic<uint64_t> next_{1};
  std::array<Shard, kShards> shards_;
};

}  // namespace kvfs::fs
