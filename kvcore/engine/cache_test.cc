#include "kvcore/engine/cache.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

namespace kvfs::engine {
namespace {

using Cache = LruCache<std::string>;

Cache::Pin Value(const std::string& text) { return std::make_shared<const std::string>(text); }

TEST(LruCache, KeepsWhatFitsAndDropsTheLeastRecentlyUsed) {
  Cache cache(3, 1);
  for (uint64_t i = 1; i <= 3; ++i) {
    cache.Insert({i, 0}, Value(std::to_string(i)), 1);
  }
  EXPECT_NE(cache.Lookup({1, 0}), nullptr);
  cache.Insert({4, 0}, Value("4"), 1);
  EXPECT_EQ(cache.Lookup({2, 0}), nullptr);
  EXPECT_EQ(*cache.Lookup({1, 0}), "1");
  EXPECT_EQ(*cache.Lookup({3, 0}), "3");
  EXPECT_EQ(*cache.Lookup({4, 0}), "4");
  const CacheStats stats = cache.GetStats();
  EXPECT_EQ(stats.hits, 4u);
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.evictions, 1u);
  EXPECT_EQ(stats.entries, 3u);
  EXPECT_EQ(stats.bytes, 3u);
}

TEST(LruCache, WhatIsUsedAgainAndAgainStays) {
  constexpr uint64_t kEntries = 1000;
  Cache cache(kEntries, 1);
  for (uint64_t i = 0; i < 20 * kEntries; ++i) {
    if (cache.Lookup({1, i}) == nullptr) {
      cache.Insert({1, i}, Value("once"), 1);
    }
    // A quarter of the cache may pass between two looks at it.
    const uint64_t hot = i % (kEntries / 4);
    if (i >= kEntries / 4) {
      ASSERT_NE(cache.Lookup({2, hot}), nullptr) << i;
    } else {
      cache.Insert({2, hot}, Value("hot"), 1);
    }
  }
  EXPECT_EQ(cache.GetStats().entries, kEntries);
}

TEST(LruCache, PinnedValuesStayAndCount) {
  Cache cache(10, 1);
  const auto pinned = cache.Insert({1, 0}, Value("pinned"), 6);
  cache.Insert({2, 0}, Value("b"), 4);
  cache.Insert({3, 0}, Value("c"), 4);  // only {2, 0} can go
  EXPECT_EQ(cache.Lookup({2, 0}), nullptr);
  EXPECT_NE(cache.Lookup({1, 0}), nullptr);
  const auto uncached = cache.Insert({4, 0}, Value("too large beside the pinned one"), 5);
  EXPECT_EQ(*uncached, "too large beside the pinned one");
  EXPECT_EQ(cache.Lookup({4, 0}), nullptr);
  EXPECT_EQ(cache.GetStats().uncached, 1u);
  EXPECT_LE(cache.GetStats().bytes, 10u);
}

TEST(LruCache, AValueLargerThanTheCacheIsNotKept) {
  Cache cache(10, 1);
  cache.Insert({1, 0}, Value("a"), 10);
  EXPECT_EQ(*cache.Insert({2, 0}, Value("b"), 11), "b");
  EXPECT_NE(cache.Lookup({1, 0}), nullptr);  // nothing was dropped for it
  EXPECT_EQ(cache.Lookup({2, 0}), nullptr);
}

TEST(LruCache, TheFirstValueOfAKeyWins) {
  Cache cache(10, 1);
  cache.Insert({1, 0}, Value("first"), 1);
  EXPECT_EQ(*cache.Insert({1, 0}, Value("second"), 1), "first");
  EXPECT_EQ(cache.GetStats().bytes, 1u);
}

TEST(LruCache, ErasesOneOrAllOfAFile) {
  Cache cache(1000, 4);
  for (uint64_t offset = 0; offset < 20; ++offset) {
    cache.Insert({1, offset}, Value("one"), 2);
    cache.Insert({2, offset}, Value("two"), 2);
  }
  cache.Erase({2, 3});
  cache.Erase({2, 3});
  EXPECT_EQ(cache.Lookup({2, 3}), nullptr);
  cache.EraseFile(1);
  for (uint64_t offset = 0; offset < 20; ++offset) {
    EXPECT_EQ(cache.Lookup({1, offset}), nullptr);
  }
  EXPECT_NE(cache.Lookup({2, 4}), nullptr);
  EXPECT_EQ(cache.GetStats().entries, 19u);
  EXPECT_EQ(cache.GetStats().bytes, 38u);
}

TEST(LruCache, TheBoundHoldsUnderThreads) {
  Cache cache(1600, 16);
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&cache, seed] {
      std::mt19937_64 random(seed);
      std::vector<Cache::Pin> pins(8);
      for (int i = 0; i < 20000; ++i) {
        const CacheKey key{random() % 10, random() % 50};
        auto pin = cache.Lookup(key);
        if (pin == nullptr) {
          pin = cache.Insert(key, Value(std::to_string(key.file * 1000 + key.offset)),
                             1 + random() % 40);
        }
        ASSERT_EQ(*pin, std::to_string(key.file * 1000 + key.offset));
        pins[random() % pins.size()] = std::move(pin);
        if (random() % 1000 == 0) {
          cache.EraseFile(random() % 10);
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_LE(cache.GetStats().bytes, 1600u);
  EXPECT_GT(cache.GetStats().entries, 0u);
}

}  // namespace
}  // namespace kvfs::engine
