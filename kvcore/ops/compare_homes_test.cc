#include "kvcore/ops/compare_homes.h"

#include <gtest/gtest.h>

namespace kvfs::ops {
namespace {

SumsOfHome Holding(uint64_t keys, uint64_t chunks) {
  SumsOfHome sums;
  for (uint32_t partition = 0; partition < 2; ++partition) {
    sums.keys[partition].low = partition == 1 ? keys : 5;
    sums.chunks[partition].low = partition == 1 ? chunks : 6;
  }
  return sums;
}

const std::vector<std::vector<env::NodeId>> kHomes{{1, 2, 3}, {3, 1, 2}};

TEST(CompareHomes, TheSameEverywhere) {
  const auto response =
      FindDifferences(kHomes, {{1, Holding(7, 8)}, {2, Holding(7, 8)}, {3, Holding(7, 8)}});
  EXPECT_EQ(response.compared(), 2u);
  EXPECT_EQ(response.partitions_size(), 0);
  EXPECT_EQ(response.silent_size(), 0);
}

TEST(CompareHomes, WhatDiffersIsTold) {
  const auto response =
      FindDifferences(kHomes, {{1, Holding(7, 8)}, {2, Holding(9, 8)}, {3, Holding(7, 8)}});
  ASSERT_EQ(response.partitions_size(), 1);
  EXPECT_EQ(response.partitions(0).partition(), 1u);
  EXPECT_TRUE(response.partitions(0).differs_in_keys());
  EXPECT_FALSE(response.partitions(0).differs_in_chunks());
  ASSERT_EQ(response.partitions(0).homes_size(), 3);
  EXPECT_EQ(response.partitions(0).homes(0).keys(), response.partitions(0).homes(1).keys());
  EXPECT_NE(response.partitions(0).homes(0).keys(), response.partitions(0).homes(2).keys());
  EXPECT_TRUE(FindDifferences(kHomes, {{1, Holding(7, 1)}, {2, Holding(7, 8)}, {3, Holding(7, 8)}})
                  .partitions(0)
                  .differs_in_chunks());
}

// That nobody contradicts is no proof where somebody was not heard.
TEST(CompareHomes, ASilentHomeLeavesItsPartitionsOpen) {
  const auto response = FindDifferences(kHomes, {{1, Holding(7, 8)}, {3, Holding(7, 8)}});
  ASSERT_EQ(response.partitions_size(), 2);
  EXPECT_FALSE(response.partitions(0).differs_in_keys());
  EXPECT_TRUE(response.partitions(0).homes(1).keys().empty());
  ASSERT_EQ(response.silent_size(), 1);
  EXPECT_EQ(response.silent(0), 2u);
}

}  // namespace
}  // namespace kvfs::ops
