// Nodes keep the layout and compare it with those of others.
#include "kvcore/node/layout_note.h"

#include <gtest/gtest.h>

#include "kvcore/client/layout_placement.h"
#include "kvcore/node/sim_nodes_test_support.h"
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

class LayoutNoteTest : public ::testing::Test {
 protected:
  Result<ring::AgreementState> Adopt(std::shared_ptr<const ring::Layout> given) {
    return world_.Run(AdoptLayout(std::move(given), &store_));
  }

  env::sim::SimWorld world_;
  testing::MemoryLocalStore store_;
};

TEST_F(LayoutNoteTest, TheFirstOneIsKept) {
  EXPECT_EQ(Adopt(nullptr).status().code(), Code::kNotFound);
  const auto first = LayoutOf({"a", "b", "c"});
  ASSERT_TRUE(Adopt(first).ok());
  EXPECT_EQ(Adopt(nullptr)->decided->id(), first->id());
  EXPECT_EQ(Adopt(first)->decided->id(), first->id());
}

TEST_F(LayoutNoteTest, OtherMembersAreRefused) {
  ASSERT_TRUE(Adopt(LayoutOf({"a", "b", "c"})).ok());
  const auto refused = Adopt(LayoutOf({"a", "b", "d"}));
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("the zone of node 3 is 'd' here, 'c' there"),
            std::string::npos);
}

TEST_F(LayoutNoteTest, DamageIsNoticed) {
  ASSERT_TRUE(world_.Run(SaveLayout("nonsense", &store_)).ok());
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
