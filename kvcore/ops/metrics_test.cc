#include "kvcore/ops/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvfs::ops {
namespace {

using testing::HasSubstr;

TEST(Metrics, PrometheusText) {
  admin::MetricsResponse metrics;
  MetricList list(&metrics);
  list.Counter("kvfs_x_total", "How many.", 3, {{"zone", "a\"b\\c\nd"}});
  list.Counter("kvfs_x_total", "How many.", 4, {{"zone", "e"}});
  list.Gauge("kvfs_y", "A part.", 0.25);
  EXPECT_EQ(PrometheusText(metrics),
            "# HELP kvfs_x_total How many.\n"
            "# TYPE kvfs_x_total counter\n"
            "kvfs_x_total{zone=\"a\\\"b\\\\c\\nd\"} 3\n"
            "kvfs_x_total{zone=\"e\"} 4\n"
            "# HELP kvfs_y A part.\n"
            "# TYPE kvfs_y gauge\n"
            "kvfs_y 0.25\n");
}

TEST(Metrics, HistogramsAreCumulative) {
  LatencyMeter meter;
  meter.Note(1);
  meter.Note(3);
  meter.Note(int64_t{1} << 50);
  admin::MetricsResponse metrics;
  MetricList(&metrics).Histogram("kvfs_z_seconds", "How long.", meter.Get(), {{"op", "read"}});
  const std::string text = PrometheusText(metrics);
  EXPECT_THAT(text, HasSubstr("kvfs_z_seconds_bucket{op=\"read\",le=\"1e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("kvfs_z_seconds_bucket{op=\"read\",le=\"2e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("kvfs_z_seconds_bucket{op=\"read\",le=\"4e-06\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("kvfs_z_seconds_bucket{op=\"read\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("kvfs_z_seconds_count{op=\"read\"} 3\n"));
}

TEST(Metrics, Percentiles) {
  EXPECT_EQ(PercentileMicros({}, 50), 0u);
  EXPECT_EQ(PercentileMicros({0, 0}, 99), 0u);
  EXPECT_EQ(PercentileMicros({98, 1, 1}, 50), 1u);
  EXPECT_EQ(PercentileMicros({98, 1, 1}, 99), 2u);
  EXPECT_EQ(PercentileMicros({98, 1, 1}, 100), 4u);
}

TEST(Metrics, EngineMetricsFollowEachOtherByName) {
  admin::EngineStats stats;
  stats.add_levels()->set_tables(2);
  stats.add_levels()->set_bytes(7);
  stats.set_stall_micros(1'500'000);
  admin::MetricsResponse metrics;
  MetricList list(&metrics);
  AddEngineMetrics(stats, &list);
  const std::string text = PrometheusText(metrics);
  EXPECT_THAT(text, HasSubstr("kvfs_engine_level_bytes{level=\"1\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("kvfs_engine_stall_seconds_total 1.5\n"));
  std::set<std::string> names;
  for (const auto& metric : metrics.metrics()) {
    EXPECT_TRUE(names.insert(metric.name()).second) << metric.name();
  }
}

}  // namespace
}  // namespace kvfs::ops
