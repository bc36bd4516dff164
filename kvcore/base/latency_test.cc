#include "kvcore/base/latency.h"

#include <gtest/gtest.h>

namespace kvfs {
namespace {

TEST(LatencyMeter, EachGoesIntoTheBucketThatBoundsIt) {
  LatencyMeter meter;
  for (const int64_t micros : {-5, 0, 1, 2, 3, 4, 5, 1000, 1024, 1025}) {
    meter.Note(micros);
  }
  meter.Note(int64_t{1} << 40, true);
  const Latencies got = meter.Get();
  EXPECT_EQ(got.counts[0], 3u);   // up to 1 us
  EXPECT_EQ(got.counts[1], 1u);   // 2
  EXPECT_EQ(got.counts[2], 2u);   // 3, 4
  EXPECT_EQ(got.counts[3], 1u);   // 5
  EXPECT_EQ(got.counts[10], 2u);  // 513 .. 1024
  EXPECT_EQ(got.counts[11], 1u);
  EXPECT_EQ(got.counts[Latencies::kBuckets - 1], 1u);
  EXPECT_EQ(got.Count(), 11u);
  EXPECT_EQ(got.failures, 1u);
  EXPECT_EQ(got.sum_micros, 0u + 1 + 2 + 3 + 4 + 5 + 1000 + 1024 + 1025 + (uint64_t{1} << 40));
}

}  // namespace
}  // namespace kvfs
