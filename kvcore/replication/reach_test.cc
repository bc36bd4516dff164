#include "kvcore/replication/reach.h"

#include <gtest/gtest.h>

namespace kvfs::replication {
namespace {

constexpr int64_t kMillis = 1000;
constexpr env::NodeId kSelf = 1;
const std::vector<env::NodeId> kHomes = {1, 2, 3};

class ReachTest : public ::testing::Test {
 protected:
  // One call that gets no answer for 300 ms.
  void Fail(env::NodeId peer, int64_t at_millis) {
    reach_.Failed(peer, at_millis * kMillis, (at_millis + 300) * kMillis);
  }
  bool IsWithout(int64_t at_millis) {
    return reach_.IsWithout(7, kHomes, kSelf, at_millis * kMillis);
  }
  bool Asked(std::set<env::NodeId> sound, int64_t at_millis) {
    return reach_.Asked(7, kHomes, kSelf, sound, (at_millis - 1) * kMillis, at_millis * kMillis);
  }

  Reach reach_{{.degrade_after_micros = 1'500'000, .retry_micros = 500'000}};
};

TEST_F(ReachTest, OnlyLongSilenceOfEnoughHomesCounts) {
  for (int64_t at = 0; at <= 1600; at += 400) {
    EXPECT_FALSE(IsWithout(at));
    Fail(2, at);
  }
  EXPECT_FALSE(IsWithout(2000));  // with the third there is a majority
  for (int64_t at = 1000; at <= 2200; at += 400) {
    Fail(3, at);
    EXPECT_FALSE(IsWithout(at + 99));
  }
  Fail(2, 2200);
  EXPECT_TRUE(IsWithout(2600));
  reach_.Answered(3, 2700 * kMillis);
  EXPECT_FALSE(IsWithout(2700));
}

TEST_F(ReachTest, WhatBeganBeforeAnAnswerIsNoSilence) {
  reach_.Answered(2, 500 * kMillis);
  Fail(2, 400);
  Fail(2, 450);
  EXPECT_FALSE(reach_.IsSilent(2, 5000 * kMillis));
}

TEST_F(ReachTest, OldSilenceSaysNothing) {
  Fail(2, 0);
  Fail(2, 1500);
  EXPECT_TRUE(reach_.IsSilent(2, 2000 * kMillis));
  EXPECT_FALSE(reach_.IsSilent(2, 60'000 * kMillis));
}

TEST_F(ReachTest, ASilentPeerIsTriedNowAndThen) {
  Fail(2, 0);
  Fail(2, 1500);
  EXPECT_TRUE(reach_.MayTry(2, 2000 * kMillis));
  EXPECT_FALSE(reach_.MayTry(2, 2100 * kMillis));
  EXPECT_TRUE(reach_.MayTry(2, 2500 * kMillis));
}

TEST_F(ReachTest, HomesThatAnswerButCannotDoNotCount) {
  EXPECT_FALSE(Asked({}, 1000));  // suspect, both
  EXPECT_FALSE(IsWithout(1000));
  EXPECT_FALSE(Asked({}, 2600));
  EXPECT_TRUE(IsWithout(2600));
  EXPECT_FALSE(reach_.IsDue(7, 2700 * kMillis));
  EXPECT_TRUE(reach_.IsDue(7, 3100 * kMillis));
  EXPECT_TRUE(Asked({3}, 3200));
  EXPECT_FALSE(IsWithout(3200));
}

TEST_F(ReachTest, ANewPartitionProfitsFromWhatIsKnownOfThePeers) {
  for (const env::NodeId peer : {2, 3}) {
    Fail(peer, 0);
    Fail(peer, 1300);
  }
  EXPECT_TRUE(reach_.IsWithout(9, kHomes, kSelf, 1700 * kMillis));
}

}  // namespace
}  // namespace kvfs::replication
