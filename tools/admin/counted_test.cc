#include "tools/admin/counted.h"

#include <gtest/gtest.h>

#include "kvcore/ops/metrics.h"

namespace kvfs::tools {
namespace {

admin::MetricsResponse Metrics(const LatencyMeter& reads, const LatencyMeter& writes) {
  admin::MetricsResponse metrics;
  ops::MetricList list(&metrics);
  list.Histogram("x_seconds", "", reads.Get(), {{"op", "read"}});
  list.Histogram("x_seconds", "", writes.Get(), {{"op", "write"}});
  list.Gauge("y", "", 2, {{"a", "1"}});
  list.Gauge("y", "", 3, {{"a", "2"}});
  return metrics;
}

TEST(Counted, WhatHappenedBetween) {
  LatencyMeter reads, writes;
  reads.Note(1);
  writes.Note(5);
  const auto before = Metrics(reads, writes);
  reads.Note(1000);
  reads.Note(2000);
  const auto after = Metrics(reads, writes);
  const auto rates = OperationsBetween(before, after, "x_seconds");
  ASSERT_EQ(rates.size(), 1u);
  EXPECT_EQ(rates[0].name, "read");
  EXPECT_EQ(rates[0].count, 2u);
  EXPECT_NEAR(rates[0].sum_seconds, 0.003, 1e-9);
  EXPECT_EQ(Together(OperationsBetween({}, after, "x_seconds"), {}).count, 4u);
  EXPECT_EQ(Together(OperationsBetween({}, after, "x_seconds"), {"write"}).count, 1u);
  EXPECT_EQ(ValueOf(after, "y"), 5);
  EXPECT_EQ(ValueOf(after, "z"), 0);
}

TEST(Counted, AProcessThatWasStartedAnewCountsFromItsStart) {
  LatencyMeter old, anew, none;
  for (int i = 0; i < 10; ++i) {
    old.Note(1000);
  }
  anew.Note(7);
  const auto rates = OperationsBetween(Metrics(old, none), Metrics(anew, none), "x_seconds");
  ASSERT_EQ(rates.size(), 1u);
  EXPECT_EQ(rates[0].count, 1u);
}

}  // namespace
}  // namespace kvfs::tools
