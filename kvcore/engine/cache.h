// LruCache: a sharded cache, least recently used out first, with a strict bound on
// the charges it holds. Thread-safe; one short mutex per shard.
//
// A value is pinned as long as somebody holds the shared_ptr that Lookup or Insert
// gave: it then stays in the cache and counts. If everything is pinned, Insert gives
// back its value uncached, so the bound holds whatever happens.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace kvfs::engine {

struct CacheKey {
  uint64_t file = 0;
  uint64_t offset = 0;

  bool operator==(const CacheKey&) const = default;
};

struct CacheStats {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t evictions = 0;
  uint64_t uncached = 0;  // Inserts that found no room
  uint64_t entries = 0;
  uint64_t bytes = 0;  // sum of charges
};

template <typename V>
class LruCache {
 public:
  using Pin = std::shared_ptr<const V>;

  // The bound is divided evenly among `shards` (a power of two).
  explicit LruCache(uint64_t capacity, size_t shards = 16);

  // Null if absent.
  Pin Lookup(const CacheKey& key);
  // If the key is there already, that value is kept and returned.
  Pin Insert(const CacheKey& key, Pin value, uint64_t charge);
  void Erase(const CacheKey& key);
  // Everything of one file that is not pinned. Walks the whole cache.
  void EraseFile(uint64_t file);

  CacheStats GetStats() const;
  uint64_t capacity() const { return capacity_; }

 private:
  struct Item {
    CacheKey key;
    Pin value;
    uint64_t charge = 0;
  };
  struct KeyHash {
    size_t operator()(const CacheKey& key) const {
      uint64_t h = (key.file * 0x9e3779b97f4a7c15u) ^ (key.offset * 0xc2b2ae3d27d4eb4fu);
      h ^= h >> 32;
      h *= 0xd6e8feb86659fd93u;
      return static_cast<size_t>(h ^ (h >> 32));
    }
  };
  struct Shard {
    mutable std::mutex mutex;
    std::list<Item> items;  // most recently used first
    std::unordered_map<CacheKey, typename std::list<Item>::iterator, KeyHash> index;
    CacheStats stats;
  };

  Shard& ShardOf(const CacheKey& key) {
    return shards_[(KeyHash{}(key) >> 40) & (shard_count_ - 1)];
  }
  // Makes room for `charge`, passing over what is pinned; false if there is not enough.
  bool MakeRoom(Shard* shard, uint64_t charge, std::list<Item>* dropped);

  const uint64_t capacity_;
  const size_t shard_count_;
  const uint64_t shard_capacity_;
  std::unique_ptr<Shard[]> shards_;
};

template <typename V>
LruCache<V>::LruCache(uint64_t capacity, size_t shards)
    : capacity_(capacity),
      shard_count_(shards),
      shard_capacity_(capacity / shards),
      shards_(std::make_unique<Shard[]>(shards)) {
  assert(shards > 0 && (shards & (shards - 1)) == 0);
}

template <typename V>
typename LruCache<V>::Pin LruCache<V>::Lookup(const CacheKey& key) {
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto it = shard.index.find(key);
  if (it == shard.index.end()) {
    ++shard.stats.misses;
    return nullptr;
  }
  ++shard.stats.hits;
  shard.items.splice(shard.items.begin(), shard.items, it->second);
  return it->second->value;
}

template <typename V>
bool LruCache<V>::MakeRoom(Shard* shard, uint64_t charge, std::list<Item>* dropped) {
  if (charge > shard_capacity_) {
    return false;
  }
  auto it = shard->items.end();
  while (shard->stats.bytes + charge > shard_capacity_ && it != shard->items.begin()) {
    --it;
    if (it->value.use_count() > 1) {
      continue;  // pinned; only under this mutex can an unpinned one become pinned
    }
    shard->stats.bytes -= it->charge;
    --shard->stats.entries;
    ++shard->stats.evictions;
    shard->index.erase(it->key);
    const auto victim = it++;
    dropped->splice(dropped->end(), shard->items, victim);
  }
  return shard->stats.bytes + charge <= shard_capacity_;
}

template <typename V>
typename LruCache<V>::Pin LruCache<V>::Insert(const CacheKey& key, Pin value, uint64_t charge) {
  std::list<Item> dropped;  // destroyed after the mutex is released
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  if (const auto it = shard.index.find(key); it != shard.index.end()) {
    return it->second->value;
  }
  if (!MakeRoom(&shard, charge, &dropped)) {
    ++shard.stats.uncached;
    return value;
  }
  shard.items.push_front(Item{key, value, charge});
  shard.index.emplace(key, shard.items.begin());
  shard.stats.bytes += charge;
  ++shard.stats.entries;
  return value;
}

template <typename V>
void LruCache<V>::Erase(const CacheKey& key) {
  std::list<Item> dropped;
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto it = shard.index.find(key);
  if (it == shard.index.end()) {
    return;
  }
  shard.stats.bytes -= it->second->charge;
  --shard.stats.entries;
  dropped.splice(dropped.end(), shard.items, it->second);
  shard.index.erase(it);
}

template <typename V>
void LruCache<V>::EraseFile(uint64_t file) {
  for (size_t i = 0; i < shard_count_; ++i) {
    std::list<Item> dropped;
    Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    for (auto it = shard.items.begin(); it != shard.items.end();) {
      const auto item = it++;
      if (item->key.file == file && item->value.use_count() == 1) {
        shard.stats.bytes -= item->charge;
        --shard.stats.entries;
        shard.index.erase(item->key);
        dropped.splice(dropped.end(), shard.items, item);
      }
    }
  }
}

template <typename V>
CacheStats LruCache<V>::GetStats() const {
  CacheStats sum;
  for (size_t i = 0; i < shard_count_; ++i) {
    const Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    sum.hits += shard.stats.hits;
    sum.misses += shard.stats.misses;
    sum.evictions += shard.stats.evictions;
    sum.uncached += shard.stats.uncached;
    sum.entries += shard.stats.entries;
    sum.bytes += shard.stats.bytes;
  }
  return sum;
}

}  // namespace kvfs::engine
