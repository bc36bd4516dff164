// Nodes keep the layout and compare it with those of others.
#include "kvcore/node/layout_note.h"

#include <gtest/gtest.h>

#include "kvcore/client/layout_placement.h"
#include "kvcore/node/sim_nodes_test_support.h"
#include "kvcore/ring/plan.h"
#include "tests/support/memory_local_store.h"

namespace kvfs::node {
namespace {

std::shared_ptr<const ring::Layout> LayoutOf(std::vector<std::string> zones) {
  std::vector<ring::Member> members;
  for (const std::string& zone : zones) {
    ring::Member member;
    member.node = members.size() + 1;
    member.zone = zone;
    members.push_back(std::move(member));
  }
  return std::make_shared<const ring::Layout>(
      test::Must(client::LayoutPlacement::Of(std::move(members), 3, 3)).layout());
}

std::shared_ptr<const ring::Layout> NextAfter(const ring::Layout& layout) {
  ring::Change change;
  change.kind = ring::Change::Kind::kLeave;
  change.member.node = layout.members().front().node;
  return std::make_shared<const ring::Layout>(test::Must(ring::PlanChange(layout, {change})).next);
}

class LayoutNoteTest : public ::testing::Test {
 protected:
  Result<KeptLayouts> Adopt(std::shared_ptr<const ring::Layout> given) {
    std::optional<ring::RingView> view;
    if (given != nullptr) {
      view.emplace(std::move(given));
    }
    return world_.Run(AdoptLayouts(std::move(view), &store_));
  }

  env::sim::SimWorld world_;
  testing::MemoryLocalStore store_;
};

TEST_F(LayoutNoteTest, TheFirstOneIsKept) {
  EXPECT_EQ(Adopt(nullptr).status().code(), Code::kNotFound);
  const auto first = LayoutOf({"a", "b", "c"});
  ASSERT_TRUE(Adopt(first).ok());
  EXPECT_EQ(Adopt(nullptr)->view.newest().id(), first->id());
  EXPECT_EQ(Adopt(first)->view.newest().id(), first->id());
}

TEST_F(LayoutNoteTest, OtherMembersAreRefused) {
  ASSERT_TRUE(Adopt(LayoutOf({"a", "b", "c"})).ok());
  const auto refused = Adopt(LayoutOf({"a", "b", "d"}));
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("the zone of node 3 is 'd' here, 'c' there"),
            std::string::npos);
}

TEST_F(LayoutNoteTest, ATransitionIsKept) {
  const auto first = LayoutOf({"a", "b", "c"});
  ASSERT_TRUE(Adopt(first).ok());
  const auto next = NextAfter(*first);
  ring::RingView view(first);
  view.Begin(next);
  ASSERT_TRUE(world_.Run(AdoptLayouts(view, &store_)).ok());
  const auto kept = Adopt(first);  // what is given is older, and no contradiction
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(kept->view.stage(), view.stage());
  EXPECT_EQ(kept->view.current().id(), first->id());
  ASSERT_TRUE(Adopt(next).ok());  // it is over
  EXPECT_EQ(Adopt(nullptr)->view.stage(), (ring::LayoutStage{next->id(), false}));
  EXPECT_EQ(world_.Run(AdoptLayouts(view, &store_))->view.stage(),
            (ring::LayoutStage{next->id(), false}));
}

TEST_F(LayoutNoteTest, DamageIsNoticed) {
  ASSERT_TRUE(world_.Run(SaveAgreement("nonsense", &store_)).ok());
  EXPECT_EQ(Adopt(LayoutOf({"a"})).status().code(), Code::kCorruption);
}

TEST(CompareLayouts, OfTheSameNothingIsSaid) {
  test::SimNodes cluster(1, 3, true, true);
  cluster.world().RunFor(1'000'000);
  EXPECT_TRUE(cluster.Run(cluster.node(0)->CompareLayouts(500'000)).ok());
  cluster.Kill(2);
  EXPECT_TRUE(cluster.Run(cluster.node(0)->CompareLayouts(500'000)).ok());
}

}  // namespace
}  // namespace kvfs::node
