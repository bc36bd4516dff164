#include "kvcore/replication/quorum.h"

#include <gtest/gtest.h>

namespace kvfs::replication {
namespace {

using Verdict = Quorum::Verdict;

TEST(Quorum, AMajorityDecides) {
  for (size_t homes = 1; homes <= 7; ++homes) {
    Quorum quorum(homes);
    for (env::NodeId home = 1; home <= homes / 2; ++home) {
      quorum.Grant(home);
      EXPECT_EQ(quorum.verdict(), Verdict::kOpen);
    }
    quorum.Grant(homes);
    EXPECT_EQ(quorum.verdict(), Verdict::kReached) << homes;
  }
}

TEST(Quorum, AHomeCountsOnce) {
  Quorum quorum(3);
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
  Quorum quorum(5);
  quorum.Grant(1);
  quorum.Deny({7, 2});
  quorum.Deny({6, 9});
  EXPECT_EQ(quorum.verdict(), Verdict::kDenied);
  EXPECT_EQ(quorum.highest_promised(), (Epoch{7, 2}));
  quorum.Grant(2);
  quorum.Grant(3);
  EXPECT_EQ(quorum.verdict(), Verdict::kReached);
}

TEST(PkState, EpochsOutrankNumbers) {
  EXPECT_LT((PkState{{1, 2}, 9}), (PkState{{2, 1}, 1}));
  EXPECT_LT((PkState{{2, 1}, 9}), (PkState{{2, 2}, 1}));
  EXPECT_EQ(After({{2, 1}, 9}, {2, 1}), (PkState{{2, 1}, 10}));
  EXPECT_EQ(After({{2, 1}, 9}, {3, 1}), (PkState{{3, 1}, 1}));
}

}  // namespace
}  // namespace kvfs::replication
