#include "kvcore/ring/difference.h"

#include <gtest/gtest.h>

namespace kvfs::ring {
namespace {

LayoutSpec Three() {
  LayoutSpec spec;
  spec.datacentres.push_back({.name = "east", .replication_factor = 3});
  for (NodeId node = 1; node <= 3; ++node) {
    spec.members.push_back({.node = node, .weight = 1, .datacentre = "east", .zone = "a"});
  }
  return spec;
}

TEST(Difference, OfTheSameThereIsNone) { EXPECT_EQ(DifferenceBetween(Three(), Three()), ""); }

TEST(Difference, IsNamed) {
  LayoutSpec there = Three();
  there.members[1].zone = "b";
  EXPECT_EQ(DifferenceBetween(Three(), there), "the zone of node 2 is 'a' here, 'b' there");
  there = Three();
  there.members[0].weight = 7;
  EXPECT_EQ(DifferenceBetween(Three(), there), "the weight of node 1 is 1 here, 7 there");
  there = Three();
  there.members.pop_back();
  EXPECT_EQ(DifferenceBetween(Three(), there), "node 3 is a member here, not there");
  EXPECT_EQ(DifferenceBetween(there, Three()), "node 3 is a member there, not here");
  there = Three();
  there.datacentres[0].replication_factor = 2;
  EXPECT_EQ(DifferenceBetween(Three(), there),
            "the number of replicas in datacentre 'east' is 3 here, 2 there");
  there = Three();
  there.datacentres.push_back({.name = "west", .replication_factor = 3});
  EXPECT_EQ(DifferenceBetween(Three(), there), "datacentre 'west' is known there, not here");
  there = Three();
  there.partition_bits = 4;
  EXPECT_EQ(DifferenceBetween(Three(), there), "the number of partitions is 256 here, 16 there");
}

}  // namespace
}  // namespace kvfs::ring
