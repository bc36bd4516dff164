#include "kvcore/engine/bloom_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace kvfs::engine {
namespace {

Bytes Filter(uint32_t bits, int from, int to) {
  BloomBuilder builder(bits);
  for (int i = from; i < to; ++i) {
    builder.Add("key " + std::to_string(i));
    builder.Add("key " + std::to_string(i));  // another version of it
  }
  return builder.Finish();
}

double FalsePositives(const Bytes& filter) {
  int hits = 0;
  for (int i = 0; i < 20000; ++i) {
    hits += BloomMayContain(filter, BloomHash("absent " + std::to_string(i))) ? 1 : 0;
  }
  return hits / 20000.0;
}

TEST(BloomFilter, HoldsEveryKeyAndFewOthers) {
  for (const int keys : {1, 10, 100, 1000, 20000}) {
    const Bytes filter = Filter(10, 0, keys);
    EXPECT_LE(filter.size(), static_cast<size_t>(keys) * 10 / 8 + 65);
    for (int i = 0; i < keys; ++i) {
      ASSERT_TRUE(BloomMayContain(filter, BloomHash("key " + std::to_string(i)))) << i;
    }
    EXPECT_LT(FalsePositives(filter), 0.02) << keys;
  }
}

TEST(BloomFilter, MoreBitsFewerFalsePositives) {
  EXPECT_LT(FalsePositives(Filter(16, 0, 10000)), FalsePositives(Filter(4, 0, 10000)));
  EXPECT_LT(FalsePositives(Filter(16, 0, 10000)), 0.004);
  EXPECT_LT(FalsePositives(Filter(1, 0, 10000)), 0.9);
}

TEST(BloomFilter, NoBitsOrNoKeysIsNoFilter) {
  EXPECT_TRUE(Filter(0, 0, 100).empty());
  EXPECT_TRUE(Filter(10, 0, 0).empty());
  EXPECT_TRUE(BloomMayContain("", BloomHash("any")));
}

TEST(BloomFilter, AMalformedOneSaysMaybe) {
  const Bytes filter = Filter(10, 0, 100);
  for (size_t size = 0; size < filter.size(); ++size) {
    const Bytes cut = filter.substr(0, size);
    BloomMayContain(cut, BloomHash("absent 1"));  // must not read past the end
  }
  EXPECT_TRUE(BloomMayContain(filter.substr(1), BloomHash("absent 1")));
}

}  // namespace
}  // namespace kvfs::engine
