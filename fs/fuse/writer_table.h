// WriterTable: which inodes are open for writing, and how often. Thread-safe.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "fs/meta/types.h"

namespace kvfs::fs {

class WriterTable {
 public:
  void Add(Ino ino) {
    Shard& shard = ShardOf(ino);
    std::lock_guard lock(shard.mutex);
    ++shard.counts[ino];
  }
  void Remove(Ino ino) {
    Shard& shard = ShardOf(ino);
    std::lock_guard lock(shard.mutex);
    auto it = shard.counts.find(ino);
    assert(it != shard.counts.end());
    if (--it->second == 0) {
      shard.counts.erase(it);
    }
  }
  bool Contains(Ino ino) const {
    const Shard& shard = ShardOf(ino);
    std::lock_guard lock(shard.mutex);
    return shard.counts.contains(ino);
  }

 private:
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<Ino, uint32_t> counts;
  };
  Shard& ShardOf(Ino ino) { return shards_[ino % shards_.size()]; }
  const Shard& ShardOf(Ino ino) const { return shards_[ino % shards_.size()]; }

  std::array<Shard, 16> shards_;
};

}  // namespace kvfs::fs
