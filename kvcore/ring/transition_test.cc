#include "kvcore/ring/transition.h"

#include <gtest/gtest.h>

#include "kvcore/ring/compute_layout.h"
#include "kvcore/ring/plan.h"

namespace kvfs::ring {
namespace {

class TransitionTest : public ::testing::Test {
 protected:
  TransitionTest() : view_(std::make_shared<const Layout>(First())) {
    std::vector<Change> changes;
    for (const NodeId node : {NodeId{4}, NodeId{5}}) {
      Change change;
      change.member = {.node = node, .weight = 1, .datacentre = "here", .zone = ""};
      changes.push_back(std::move(change));
    }
    auto plan = PlanChange(view_.current(), changes);
    EXPECT_TRUE(plan.ok());
    view_.Begin(std::make_shared<const Layout>(std::move(plan->next)));
  }

  static Layout First() {
    LayoutSpec spec;
    spec.partition_bits = 4;
    spec.datacentres.push_back({.name = "here", .replication_factor = 3});
    for (NodeId node = 1; node <= 3; ++node) {
      spec.members.push_back({.node = node, .weight = 1, .datacentre = "here", .zone = ""});
    }
    return *ComputeLayout(std::move(spec), nullptr);
  }
  // As if these had everything.
  Moved Have(const std::vector<NodeId>& nodes) const {
    Moved moved;
    for (const NodeId node : nodes) {
      for (uint32_t partition = 0; partition < view_.current().partition_count(); ++partition) {
        moved[node].insert(partition);
      }
    }
    return moved;
  }
  static bool All(NodeId) { return true; }

  RingView view_;
};

TEST_F(TransitionTest, IsOverWhenEveryLivingReplicaHasItsPartitions) {
  EXPECT_FALSE(StillMoving(view_, {}, All).empty());
  EXPECT_FALSE(StillMoving(view_, Have({1, 2, 3}), All).empty());
  EXPECT_FALSE(StillMoving(view_, Have({1, 2, 3, 4}), All).empty());
  EXPECT_TRUE(StillMoving(view_, Have({1, 2, 3, 4, 5}), All).empty());
}

TEST_F(TransitionTest, TheDeadAreNotWaitedForButAMajorityIsNeeded) {
  const auto without_five = [](NodeId node) { return node != 5; };
  EXPECT_TRUE(StillMoving(view_, Have({1, 2, 3, 4}), without_five).empty());
  const auto none = [](NodeId) { return false; };
  EXPECT_FALSE(StillMoving(view_, Have({1}), none).empty());
}

TEST_F(TransitionTest, WhatStaysWithTheSameNodesDoesNotMove) {
  const RingView still(view_.shared_newest());
  EXPECT_TRUE(StillMoving(still, {}, All).empty());
  EXPECT_LT(view_.stage().version(), still.stage().version());
  EXPECT_EQ(view_.Keepers(), (std::vector<NodeId>{1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace kvfs::ring
