#include "kvcore/replication/quorum.h"

#include <gtest/gtest.h>

namespace kvfs::replication {
namespace {

using Verdict = Quorum::Verdict;

Electorate OneSet(size_t homes) {
  std::vector<env::NodeId> all;
  for (env::NodeId home = 1; home <= homes; ++home) {
    all.push_back(home);
  }
  return all;
}

Electorate TwoSets(std::vector<env::NodeId> old, std::vector<env::NodeId> next) {
  Electorate electorate;
  electorate.homes = old;
  for (const env::NodeId home : next) {
    if (!electorate.Includes(home)) {
      electorate.homes.push_back(home);
    }
  }
  electorate.sets = {std::move(old), std::move(next)};
  return electorate;
}

TEST(Quorum, AMajorityDecides) {
  for (size_t homes = 1; homes <= 7; ++homes) {
    Quorum quorum(OneSet(homes));
    for (env::NodeId home = 1; home <= homes / 2; ++home) {
      quorum.Grant(home);
      EXPECT_EQ(quorum.verdict(), Verdict::kOpen);
    }
    quorum.Grant(homes);
    EXPECT_EQ(quorum.verdict(), Verdict::kReached) << homes;
  }
}

TEST(Quorum, AHomeCountsOnce) {
  Quorum quorum(OneSet(3));
  quorum.Grant(1);
  quorum.Grant(1);
  EXPECT_EQ(quorum.verdict(), Verdict::kOpen);
  quorum.Fail(2);
  quorum.Fail(2);
  EXPECT_EQ(quorum.verdict(), Verdict::kOpen);
  quorum.Fail(3);
  EXPECT_EQ(quorum.verdict(), Verdict::kFailed);
}

TEST(Quorum, OneDenialEndsItUnlessAMajorityHasSaidYes) {
  Quorum quorum(OneSet(5));
  quorum.Grant(1);
  quorum.Deny({7, 2});
  quorum.Deny({6, 9});
  EXPECT_EQ(quorum.verdict(), Verdict::kDenied);
  EXPECT_EQ(quorum.highest_promised(), (Epoch{7, 2}));
  quorum.Grant(2);
  quorum.Grant(3);
  EXPECT_EQ(quorum.verdict(), Verdict::kReached);
}

TEST(Quorum, InATransitionAMajorityOfBothDecides) {
  Quorum quorum(TwoSets({1, 2, 3}, {1, 4, 5}));
  quorum.Grant(1);
  quorum.Grant(2);
  quorum.Grant(3);
  EXPECT_EQ(quorum.verdict(), Verdict::kOpen);  // all of the old ones are not enough
  quorum.Grant(5);
  EXPECT_EQ(quorum.verdict(), Verdict::kReached);
}

TEST(Quorum, InATransitionASetWithoutAMajorityFails) {
  Quorum quorum(TwoSets({1, 2, 3}, {3, 4, 5}));
  quorum.Fail(4);
  EXPECT_EQ(quorum.verdict(), Verdict::kOpen);
  quorum.Fail(5);
  EXPECT_EQ(quorum.verdict(), Verdict::kFailed);
}

TEST(PkState, EpochsOutrankNumbers) {
  EXPECT_LT((PkState{{1, 2}, 9}), (PkState{{2, 1}, 1}));
  EXPECT_LT((PkState{{2, 1}, 9}), (PkState{{2, 2}, 1}));
  EXPECT_EQ(After({{2, 1}, 9}, {2, 1}), (PkState{{2, 1}, 10}));
  EXPECT_EQ(After({{2, 1}, 9}, {3, 1}), (PkState{{3, 1}, 1}));
}

}  // namespace
}  // namespace kvfs::replication
