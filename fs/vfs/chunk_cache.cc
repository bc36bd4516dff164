#include "fs/vfs/chunk_cache.h"

#include <cstring>

namespace kvfs::fs {

ChunkCache::ChunkCache(uint64_t capacity_bytes) : shard_capacity_(capacity_bytes / kShards) {}

size_t ChunkCache::KeyHash::operator()(const Key& key) const {
  size_t hash;  // names are hashes already
  std::memcpy(&hash, key.id.data(), sizeof(hash));
  return hash + key.part;
}

ChunkCache::Entry ChunkCache::Find(const ChunkId& id, uint32_t part) {
  Shard& shard = ShardOf(id);
  std::lock_guard lock(shard.mutex);
  auto it = shard.slots.find({id, part});
  if (it == shard.slots.end()) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  hits_.fetch_add(1, std::memory_order_relaxed);
  shard.recency.splice(shard.recency.begin(), shard.recency, it->second);
  return it->second->bytes;
}

void ChunkCache::Insert(const ChunkId& id, uint32_t part, Entry bytes) {
  const auto cost = [](const Slot& slot) { return slot.bytes->capacity() + kSlotOverhead; };
  Shard& shard = ShardOf(id);
  std::list<Slot> evicted;  // freed after the lock
  std::lock_guard lock(shard.mutex);
  const Key key{id, part};
  if (shard.slots.count(key) != 0) {
    return;
  }
  shard.recency.push_front({key, std::move(bytes)});
  shard.slots[key] = shard.recency.begin();
  shard.bytes += cost(shard.recency.front());
  while (shard.bytes > shard_capacity_ && !shard.recency.empty()) {
    shard.bytes -= cost(shard.recency.back());
    shard.slots.erase(shard.recency.back().key);
    evicted.splice(evicted.begin(), shard.recency, std::prev(shard.recency.end()));
  }
}

uint64_t ChunkCache::bytes() const {
  uint64_t sum = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    sum += shard.bytes;
  }
  return sum;
}

}  // namespace kvfs::fs
