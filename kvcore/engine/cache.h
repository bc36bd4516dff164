// LruCache: a sharded cache, least recently used out first, with a strict bound on
// the charges it holds. Thread-safe; one short mutex per shard.
//
// A value is pinned as long as somebody holds the shared_ptr that Lookup or Insert
// gave: it then stays in the cache and counts. If everything is pinned, Insert gives
// back its value uncached, so the bound holds whatever happens.
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

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
  // One allocation for each value: in a ring by age, and in a chain of the hash table.
  struct Item {
    Item* newer = nullptr;  // the ring's neighbours; in the ring itself: the oldest
    Item* older = nullptr;  // in the ring itself: the newest
    Item* chain = nullptr;
    size_t hash = 0;
    CacheKey key;
    Pin value;
    uint64_t charge = 0;
    uint64_t linked = 0;  // when it last became the newest; at most so many are newer
  };
  static size_t Hash(const CacheKey& key) {
    uint64_t h = (key.file * 0x9e3779b97f4a7c15u) ^ (key.offset * 0xc2b2ae3d27d4eb4fu);
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return static_cast<size_t>(h ^ (h >> 32));
  }

  // The items of one shard; its mutex is its user's to take.
  class Shard {
   public:
    Shard() : buckets_(16) { ring_.newer = ring_.older = &ring_; }
    ~Shard() {
      while (Item* item = Oldest()) {
        delete Remove(item);
      }
    }
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    Item* Find(const CacheKey& key, size_t hash) const {
      Item* item = buckets_[hash & (buckets_.size() - 1)];
      while (item != nullptr && !(item->hash == hash && item->key == key)) {
        item = item->chain;
      }
      return item;
    }
    void Add(Item* item) {
      if (2 * stats.entries >= buckets_.size()) {  // chains are seldom longer than one
        Grow();
      }
      Chain(item);
      Link(item);
      ++stats.entries;
      stats.bytes += item->charge;
    }
    // Its owner is the caller from now on.
    Item* Remove(Item* item) {
      Item** at = &buckets_[item->hash & (buckets_.size() - 1)];
      while (*at != item) {
        at = &(*at)->chain;
      }
      *at = item->chain;
      Unlink(item);
      --stats.entries;
      stats.bytes -= item->charge;
      return item;
    }
    // It counts as the newest. What is among the newer part anyway stays where it is: moving it
    // would touch its neighbours too, which are seldom in the processor's cache.
    void Touch(Item* item) {
      if (linked_ - item->linked >= stats.entries / kNewerPart) {
        Unlink(item);
        Link(item);
      }
    }
    // From the oldest on: null after the newest.
    Item* Oldest() { return NewerThan(&ring_); }
    Item* NewerThan(const Item* item) { return item->newer == &ring_ ? nullptr : item->newer; }

    mutable std::mutex mutex;
    CacheStats stats;

   private:
    void Link(Item* item) {  // as the newest
      item->older = ring_.older;
      item->newer = &ring_;
      ring_.older->newer = item;
      ring_.older = item;
      item->linked = ++linked_;
    }
    static void Unlink(Item* item) {
      item->newer->older = item->older;
      item->older->newer = item->newer;
    }
    void Chain(Item* item) {
      Item*& bucket = buckets_[item->hash & (buckets_.size() - 1)];
      item->chain = bucket;
      bucket = item;
    }
    void Grow() {
      buckets_.assign(2 * buckets_.size(), nullptr);
      for (Item* item = Oldest(); item != nullptr; item = NewerThan(item)) {
        Chain(item);
      }
    }

    static constexpr uint64_t kNewerPart = 4;

    uint64_t linked_ = 0;         // how often an item has become the newest
    std::vector<Item*> buckets_;  // a power of two
    Item ring_;
  };

  // What has left the cache; destroyed after the mutex is released, so declare it before the lock.
  class Dropped {
   public:
    Dropped() = default;
    ~Dropped() {
      while (first_ != nullptr) {
        delete std::exchange(first_, first_->chain);
      }
    }
    Dropped(const Dropped&) = delete;
    Dropped& operator=(const Dropped&) = delete;
    void Add(Item* item) { item->chain = std::exchange(first_, item); }

   private:
    Item* first_ = nullptr;
  };

  Shard& ShardOf(size_t hash) { return shards_[(hash >> 40) & (shard_count_ - 1)]; }
  // Makes room for `charge`, passing over what is pinned; false if there is not enough.
  bool MakeRoom(Shard* shard, uint64_t charge, Dropped* dropped);

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
  assert(std::has_single_bit(shards));
}

template <typename V>
typename LruCache<V>::Pin LruCache<V>::Lookup(const CacheKey& key) {
  const size_t hash = Hash(key);
  Shard& shard = ShardOf(hash);
  const std::lock_guard lock(shard.mutex);
  Item* item = shard.Find(key, hash);
  if (item == nullptr) {
    ++shard.stats.misses;
    return nullptr;
  }
  ++shard.stats.hits;
  shard.Touch(item);
  return item->value;
}

template <typename V>
bool LruCache<V>::MakeRoom(Shard* shard, uint64_t charge, Dropped* dropped) {
  if (charge > shard_capacity_) {
    return false;
  }
  for (Item* item = shard->Oldest();
       item != nullptr && shard->stats.bytes + charge > shard_capacity_;) {
    Item* next = shard->NewerThan(item);
    // Pinned ones stay; only under this mutex can an unpinned one become pinned.
    if (item->value.use_count() == 1) {
      ++shard->stats.evictions;
      dropped->Add(shard->Remove(item));
    }
    item = next;
  }
  return shard->stats.bytes + charge <= shard_capacity_;
}

template <typename V>
typename LruCache<V>::Pin LruCache<V>::Insert(const CacheKey& key, Pin value, uint64_t charge) {
  const size_t hash = Hash(key);
  Shard& shard = ShardOf(hash);
  Dropped dropped;
  const std::lock_guard lock(shard.mutex);
  if (const Item* item = shard.Find(key, hash)) {
    return item->value;
  }
  if (!MakeRoom(&shard, charge, &dropped)) {
    ++shard.stats.uncached;
    return value;
  }
  auto item = std::make_unique<Item>();
  item->hash = hash;
  item->key = key;
  item->value = value;
  item->charge = charge;
  shard.Add(item.release());
  return value;
}

template <typename V>
void LruCache<V>::Erase(const CacheKey& key) {
  const size_t hash = Hash(key);
  Shard& shard = ShardOf(hash);
  Dropped dropped;
  const std::lock_guard lock(shard.mutex);
  if (Item* item = shard.Find(key, hash)) {
    dropped.Add(shard.Remove(item));
  }
}

template <typename V>
void LruCache<V>::EraseFile(uint64_t file) {
  for (size_t i = 0; i < shard_count_; ++i) {
    Dropped dropped;
    Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    for (Item* item = shard.Oldest(); item != nullptr;) {
      Item* next = shard.NewerThan(item);
      if (item->key.file == file && item->value.use_count() == 1) {
        dropped.Add(shard.Remove(item));
      }
      item = next;
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
