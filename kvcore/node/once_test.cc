#include "kvcore/node/once.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace kvfs::node {
namespace {

TEST(Once, EachNumberOfALifeIsTakenOnce) {
  Once once;
  EXPECT_TRUE(once.IsFirst(1, 1, 5));
  EXPECT_FALSE(once.IsFirst(1, 1, 5));
  EXPECT_TRUE(once.IsFirst(1, 1, 3));  // overtaken
  EXPECT_FALSE(once.IsFirst(1, 1, 3));
  EXPECT_TRUE(once.IsFirst(2, 1, 5));  // of another peer
}

TEST(Once, AnEarlierLifeIsOver) {
  Once once;
  EXPECT_TRUE(once.IsFirst(1, 7, 5));
  EXPECT_TRUE(once.IsFirst(1, 8, 5));
  EXPECT_FALSE(once.IsFirst(1, 7, 6));
}

TEST(Once, WhatIsTooOldToTellIsRefused) {
  Once once;
  EXPECT_TRUE(once.IsFirst(1, 1, 1));
  EXPECT_TRUE(once.IsFirst(1, 1, 1 + Once::kWindow));
  EXPECT_FALSE(once.IsFirst(1, 1, 1));
  EXPECT_TRUE(once.IsFirst(1, 1, 2));
  EXPECT_TRUE(once.IsFirst(1, 1, 1'000'000));
  EXPECT_TRUE(once.IsFirst(1, 1, 1'000'000 - Once::kWindow + 1));
}

TEST(Once, AsASetWouldWithinTheWindow) {
  Once once;
  std::set<uint64_t> seen;
  std::mt19937 random(4);
  uint64_t base = 10'000;
  for (int i = 0; i < 50'000; ++i) {
    base += random() % 3;
    const uint64_t number = base - random() % (Once::kWindow / 2);
    EXPECT_EQ(once.IsFirst(1, 1, number), seen.insert(number).second) << number;
  }
}

}  // namespace
}  // namespace kvfs::node
