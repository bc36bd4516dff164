// ChunkCache: decompressed chunks, and parts of chunks, by name. Content is immutable, so
// nothing here can be stale. Least recently used goes first; sharded by name.
// Owned by the FileManager. Thread-safe. Entries are shared: one that is evicted
// lives on with whoever still reads it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "fs/chunk/content.h"

namespace kvfs::fs {

class ChunkCache {
 public:
  // Parts are as large as the blob records' sub-blocks, which are decompressed on their own.
  static constexpr uint32_t kPartBytes = 32u << 10;
  static constexpr uint32_t kWhole = ~uint32_t{0};

  using Entry = std::shared_ptr<const Bytes>;

  explicit ChunkCache(uint64_t capacity_bytes);

  // `part`: which kPartBytes of the chunk, or kWhole. Null if it is not here.
  Entry Find(const ChunkId& id, uint32_t part);
  void Insert(const ChunkId& id, uint32_t part, Entry bytes);

  uint64_t bytes() const;
  uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }
  uint64_t misses() const { return misses_.load(std::memory_order_relaxed); }

 private:
  struct Key {
    ChunkId id;
    uint32_t part;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Slot {
    Key key;
    Entry bytes;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::list<Slot> recency;  // most recent first
    std::unordered_map<Key, std::list<Slot>::iterator, KeyHash> slots;
    uint64_t bytes = 0;
  };
  static constexpr size_t kShards = 8;
  static constexpr uint64_t kSlotOverhead = 160;

  Shard& ShardOf(const ChunkId& id) { return shards_[id[31] % kShards]; }

  const uint64_t shard_capacity_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> hits_{0}, misses_{0};
};

}  // namespace kvfs::fs
