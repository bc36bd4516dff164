#include "kvcore/ring/ring_view.h"

#include <gtest/gtest.h>

#include "kvcore/ring/ring_test_support.h"

namespace kvfs::ring {
namespace {

using test::Even;
using test::MakeMember;

std::shared_ptr<const Layout> Compute(const LayoutSpec& spec, const Layout* previous = nullptr) {
  return std::make_shared<const Layout>(*ComputeLayout(spec, previous));
}

std::string ZoneOf(const Layout& layout, NodeId node) { return layout.FindMember(node)->zone; }

TEST(RingView, AloneItIsTheLayout) {
  const auto layout = Compute(Even(4, 3, 7, 7));
  const RingView view(layout);
  EXPECT_EQ(view.PartitionOf(0), 0u);
  EXPECT_EQ(view.PartitionOf(0xffff), 15u);
  EXPECT_EQ(view.PartitionOf(0x1000), 1u);
  for (uint32_t p = 0; p < 16; ++p) {
    const auto sets = view.ReplicaSets(p);
    ASSERT_EQ(sets.size(), 1u);
    EXPECT_EQ(sets[0].layout, layout->id());
    EXPECT_EQ(sets[0].nodes, layout->PreferenceList(p));
    EXPECT_EQ(view.PreferenceList(p), layout->PreferenceList(p));
  }
}

TEST(RingView, InATransitionBothLayoutsCount) {
  LayoutSpec spec = Even(3, 3, 4, 4);
  const auto before = Compute(spec);
  spec.members.push_back(MakeMember(200, "new"));
  const auto after = Compute(spec, before.get());
  RingView view(before);
  view.Begin(after);
  EXPECT_EQ(&view.newest(), after.get());
  bool any_grew = false;
  for (uint32_t p = 0; p < 8; ++p) {
    ASSERT_EQ(view.ReplicaSets(p).size(), 2u);
    EXPECT_EQ(view.ReplicaSets(p)[0].nodes, before->PreferenceList(p));
    EXPECT_EQ(view.ReplicaSets(p)[1].nodes, after->PreferenceList(p));
    // The old ones lead, everybody once.
    const auto all = view.PreferenceList(p);
    EXPECT_EQ(std::vector<NodeId>(all.begin(), all.begin() + 3), before->PreferenceList(p));
    EXPECT_EQ(std::set<NodeId>(all.begin(), all.end()).size(), all.size());
    any_grew = any_grew || all.size() > 3;
  }
  EXPECT_TRUE(any_grew);
}

TEST(RingView, FallbacksAreEverybodyElseOnce) {
  const auto layout = Compute(Even(6, 3, 12, 4));
  const RingView view(layout);
  for (uint32_t p = 0; p < 64; ++p) {
    const auto fallbacks = view.Fallbacks(p, 100);
    EXPECT_EQ(fallbacks.size(), 9u);
    std::set<NodeId> all(fallbacks.begin(), fallbacks.end());
    for (const NodeId node : view.PreferenceList(p)) {
      EXPECT_TRUE(all.insert(node).second);
    }
    EXPECT_EQ(all.size(), 12u);
    EXPECT_EQ(view.Fallbacks(p, 2), std::vector<NodeId>(fallbacks.begin(), fallbacks.begin() + 2));
  }
}

TEST(RingView, TheFirstFallbackIsInTheUnusedZone) {
  const auto layout = Compute(Even(6, 3, 12, 4));
  const RingView view(layout);
  for (uint32_t p = 0; p < 64; ++p) {
    std::set<std::string> zones;
    for (const NodeId node : view.PreferenceList(p)) {
      zones.insert(ZoneOf(*layout, node));
    }
    EXPECT_FALSE(zones.contains(ZoneOf(*layout, view.Fallbacks(p, 1)[0])));
    // Now every zone is used once; the next four take a zone each.
    const auto fallbacks = view.Fallbacks(p, 5);
    std::set<std::string> next;
    for (size_t i = 1; i < 5; ++i) {
      next.insert(ZoneOf(*layout, fallbacks[i]));
    }
    EXPECT_EQ(next.size(), 4u);
  }
}

TEST(RingView, InOneZoneTheNextOnTheRingStandsIn) {
  const auto layout = Compute(Even(6, 2, 9, 1));
  const RingView view(layout);
  for (uint32_t p = 0; p < 64; ++p) {
    const auto mine = layout->PreferenceList(p);
    NodeId expected = 0;
    for (uint32_t step = 1; expected == 0; ++step) {
      for (const NodeId node : layout->PreferenceList((p + step) % 64)) {
        if (expected == 0 && std::find(mine.begin(), mine.end(), node) == mine.end()) {
          expected = node;
        }
      }
    }
    EXPECT_EQ(view.Fallbacks(p, 1), std::vector<NodeId>{expected});
  }
}

TEST(RingView, FallbacksOfOneDatacentreAndDrainedNodesLast) {
  LayoutSpec spec = test::Spec(4, 2);
  spec.datacentres.push_back({.name = "dc2", .replication_factor = 2});
  for (NodeId node = 1; node <= 8; ++node) {
    spec.members.push_back(MakeMember(node, "", node == 3 ? 0 : 1, node % 2 == 0 ? "dc2" : "dc1"));
  }
  const auto layout = Compute(spec);
  const RingView view(layout);
  for (uint32_t p = 0; p < 16; ++p) {
    const auto fallbacks = view.Fallbacks(p, 100, "dc1");
    ASSERT_EQ(fallbacks.size(), 2u);
    EXPECT_EQ(layout->FindMember(fallbacks[0])->datacentre, "dc1");
    EXPECT_EQ(fallbacks[1], 3u);
    EXPECT_EQ(view.Fallbacks(p, 100, "dc2").size(), 2u);
    EXPECT_TRUE(view.Fallbacks(p, 100, "dc3").empty());
  }
}

}  // namespace
}  // namespace kvfs::ring
