#include "kvcore/membership/peer_health.h"

#include <gtest/gtest.h>

namespace kvfs::membership {
namespace {

constexpr PeerHealth::Options kOptions{
    .failures_to_avoid = 3, .retry_micros = 100, .most_retry_micros = 400, .forget_micros = 10'000};

void Fail(PeerHealth* health, int times, int64_t now) {
  for (int i = 0; i < times; ++i) {
    health->Failed(7, now);
  }
}

TEST(PeerHealth, AFewFailuresInARowAndNobodyAsks) {
  PeerHealth health(kOptions);
  EXPECT_TRUE(health.MayAsk(7, 0));
  Fail(&health, 2, 0);
  EXPECT_TRUE(health.MayAsk(7, 0));
  health.Answered(7, 50, 0);
  Fail(&health, 2, 0);
  EXPECT_TRUE(health.IsHealthy(7, 0)) << "not in a row";
  Fail(&health, 1, 0);
  EXPECT_FALSE(health.IsHealthy(7, 0));
  EXPECT_FALSE(health.MayAsk(7, 99));
  EXPECT_TRUE(health.MayAsk(8, 99));
}

TEST(PeerHealth, OneTriesAndTheWaitDoubles) {
  PeerHealth health(kOptions);
  Fail(&health, 3, 0);
  EXPECT_TRUE(health.MayAsk(7, 100));
  EXPECT_FALSE(health.MayAsk(7, 100)) << "somebody tries already";
  health.Failed(7, 150);
  EXPECT_FALSE(health.MayAsk(7, 349));
  EXPECT_TRUE(health.MayAsk(7, 350));
  health.Failed(7, 360);
  EXPECT_TRUE(health.MayAsk(7, 760));
  health.Failed(7, 760);
  EXPECT_FALSE(health.MayAsk(7, 1159)) << "no more than the most";
  EXPECT_TRUE(health.MayAsk(7, 1160));
  health.Answered(7, 50, 1170);
  EXPECT_TRUE(health.MayAsk(7, 1170));
  EXPECT_TRUE(health.MayAsk(7, 1170));
}

TEST(PeerHealth, LateFailuresSayNothingNew) {
  PeerHealth health(kOptions);
  Fail(&health, 20, 0);
  EXPECT_TRUE(health.MayAsk(7, 100));
}

TEST(PeerHealth, ATryThatIsNeverHeardOfDoesNotBlockForEver) {
  PeerHealth health(kOptions);
  Fail(&health, 3, 0);
  EXPECT_TRUE(health.MayAsk(7, 100));
  EXPECT_FALSE(health.MayAsk(7, 499));
  EXPECT_TRUE(health.MayAsk(7, 500));
}

TEST(PeerHealth, ThePastIsForgotten) {
  PeerHealth health(kOptions);
  Fail(&health, 3, 0);
  EXPECT_TRUE(health.IsHealthy(7, 10'000));
  Fail(&health, 1, 10'000);
  EXPECT_TRUE(health.IsHealthy(7, 10'000));
}

TEST(PeerHealth, LatencyIsSmoothed) {
  PeerHealth health(kOptions);
  EXPECT_EQ(health.LatencyMicros(7), 0);
  health.Answered(7, 800, 0);
  EXPECT_EQ(health.LatencyMicros(7), 800);
  health.Answered(7, 1600, 0);
  EXPECT_EQ(health.LatencyMicros(7), 900);
}

}  // namespace
}  // namespace kvfs::membership
