#include "kvcore/ring/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kvcore/ring/ring_test_support.h"

namespace kvfs::ring {
namespace {

using test::Even;
using test::MakeMember;
using ::testing::HasSubstr;

Layout Compute(const LayoutSpec& spec) { return std::move(*ComputeLayout(spec, nullptr)); }

Change Join(NodeId node, const std::string& zone) {
  return {.kind = Change::Kind::kJoin, .member = MakeMember(node, zone)};
}
Change Leave(NodeId node) { return {.kind = Change::Kind::kLeave, .member = MakeMember(node, "")}; }

TEST(ApplyChanges, InTheirOrder) {
  const LayoutSpec spec = Even(4, 3, 3, 1);
  const auto changed = ApplyChanges(
      spec, {Join(7, "z9"),
             {.kind = Change::Kind::kSet, .member = MakeMember(7, "z8", 5)},
             Leave(100),
             {.kind = Change::Kind::kReplace, .member = MakeMember(8, ""), .replaced = 101},
             {.kind = Change::Kind::kSetDatacentre, .datacentre = {"dc2", 2}},
             {.kind = Change::Kind::kSetDatacentre, .datacentre = {"dc1", 2}}});
  ASSERT_TRUE(changed.ok()) << changed.status().ToString();
  EXPECT_EQ(changed->members, (std::vector<Member>{MakeMember(8, "z0"), MakeMember(102, "z0"),
                                                   MakeMember(7, "z8", 5)}));
  EXPECT_EQ(changed->datacentres, (std::vector<Datacentre>{{"dc1", 2}, {"dc2", 2}}));
}

TEST(ApplyChanges, RefusesWhatDoesNotApply) {
  const LayoutSpec spec = Even(4, 3, 3, 1);
  const auto code = [&](const Change& change) {
    return ApplyChanges(spec, {change}).status().code();
  };
  EXPECT_EQ(code(Join(100, "")), Code::kInvalidArgument);
  EXPECT_EQ(code(Leave(7)), Code::kInvalidArgument);
  EXPECT_EQ(code({.kind = Change::Kind::kSet, .member = MakeMember(7, "")}),
            Code::kInvalidArgument);
  EXPECT_EQ(code({.kind = Change::Kind::kReplace, .member = MakeMember(7, ""), .replaced = 8}),
            Code::kInvalidArgument);
  EXPECT_EQ(code({.kind = Change::Kind::kReplace, .member = MakeMember(101, ""), .replaced = 100}),
            Code::kInvalidArgument);
  EXPECT_EQ(ApplyChanges(spec, {Leave(100), Leave(101), Leave(102)}).status().code(),
            Code::kInvalidArgument);
}

TEST(PlanChange, AReplacementTakesExactlyThePlaceOfTheOther) {
  std::mt19937_64 random(9);
  for (int i = 0; i < 20; ++i) {
    const Layout current = Compute(test::Drawn(8, 12, &random));
    const NodeId gone = current.members()[random() % 12].node;
    const auto plan = PlanChange(
        current, {{.kind = Change::Kind::kReplace, .member = MakeMember(1, ""), .replaced = gone}});
    ASSERT_TRUE(plan.ok());
    size_t kept = 0;
    for (uint32_t p = 0; p < current.partition_count(); ++p) {
      kept += current.Keeps(gone, p) ? 1 : 0;
      EXPECT_EQ(current.Keeps(gone, p), plan->next.Keeps(1, p));
    }
    EXPECT_EQ(plan->transfers.size(), kept);
  }
}

TEST(PlanChange, TransfersAreWhatIsNewAndComeFromThoseThatHaveIt) {
  const Layout current = Compute(Even(8, 3, 6, 3));
  const auto plan = PlanChange(current, {Join(7, "z0"), Leave(101)});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->next.id().number, 2u);
  EXPECT_EQ(plan->transfers.size(), test::Moves(current, plan->next));
  std::map<NodeId, uint32_t> sent;
  for (const Transfer& transfer : plan->transfers) {
    EXPECT_TRUE(current.Keeps(transfer.from, transfer.partition));
    EXPECT_FALSE(current.Keeps(transfer.to, transfer.partition));
    EXPECT_TRUE(plan->next.Keeps(transfer.to, transfer.partition));
    ++sent[transfer.from];
  }
  // Everybody sends about as much.
  EXPECT_EQ(sent.size(), 6u);
  for (const auto& [node, count] : sent) {
    EXPECT_LE(count, plan->transfers.size() / 6 + 8);
  }
}

TEST(PlanChange, TransfersStayInTheirDatacentre) {
  LayoutSpec spec = Even(6, 2, 4, 2);
  spec.datacentres.push_back({"dc2", 2});
  for (NodeId node = 1; node <= 4; ++node) {
    spec.members.push_back(MakeMember(node, "", 1, "dc2"));
  }
  const Layout current = Compute(spec);
  const auto plan = PlanChange(current, {Join(7, "z0")});
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->transfers.empty());
  for (const Transfer& transfer : plan->transfers) {
    EXPECT_GE(transfer.from, 100u);
  }
}

TEST(Picture, OfALayout) {
  LayoutSpec spec = Even(4, 1, 2, 1);
  spec.members.push_back(MakeMember(7, "", 0));
  const std::string picture = Picture(Compute(spec));
  EXPECT_THAT(picture, HasSubstr("layout 1 ("));
  EXPECT_THAT(picture, HasSubstr("16 partitions, 1 replicas of each\n"));
  EXPECT_THAT(picture,
              HasSubstr("node  datacentre  zone  weight  partitions  primary of  of all\n"
                        "7     dc1         -          0           0           0   0.0 %\n"
                        "100   dc1         z0         1           8           8  50.0 %\n"
                        "101   dc1         z0         1           8           8  50.0 %\n"));
}

TEST(Picture, OfAPlan) {
  const Layout current = Compute(Even(4, 1, 1, 1));
  const auto plan = PlanChange(current, {Join(7, "z1")});
  ASSERT_TRUE(plan.ok());
  const std::string picture = Picture(current, *plan);
  EXPECT_THAT(picture, HasSubstr("node  datacentre  zone  now  then     change\n"
                                 "7     dc1         z1      0     8  joins, +8\n"
                                 "100   dc1         z0     16     8         -8\n"));
  EXPECT_THAT(picture, HasSubstr("from  to  partitions\n"
                                 "100   7            8\n"
                                 "8 of 16 replicas move (50.0 %)\n"));
  const auto nothing = PlanChange(current, {});
  ASSERT_TRUE(nothing.ok());
  EXPECT_THAT(Picture(current, *nothing), HasSubstr("no partition moves\n"));
}

}  // namespace
}  // namespace kvfs::ring
