#include "kvcore/engine/write_delay.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kvfs::engine {
namespace {

constexpr double kMiB = 1 << 20;

WriteLoad AtEase() {
  return {.level0_tables = 2,
          .level0_trigger = 4,
          .level0_stop = 16,
          .memtables = 0.5,
          .memtables_stop = 2,
          .debt_bytes = 0,
          .debt_full_bytes = 4ull << 30,
          .drain_rate = 50 * kMiB};
}

TEST(WriteDelayTest, NothingToDoCostsNothing) {
  EXPECT_EQ(WriteCostMicros(AtEase(), 1 << 20), 0);
  WriteLoad load = AtEase();
  load.level0_tables = 4;
  load.memtables = 1.25;
  EXPECT_EQ(WriteCostMicros(load, 1 << 20), 0);
}

TEST(WriteDelayTest, HalfThePressureIsTheSpeedOfTheDrain) {
  WriteLoad load = AtEase();
  load.level0_tables = 10;
  EXPECT_DOUBLE_EQ(WritePressure(load), 0.5);
  EXPECT_NEAR(static_cast<double>(WriteCostMicros(load, 50u << 20)), 1e6, 1);
}

TEST(WriteDelayTest, EachLoadCountsAndGrowsWithoutJumps) {
  const auto smooth = [](const auto& set, double from, double to) {
    WriteLoad load = AtEase();
    double last = 0;
    double last_pressure = 0;
    for (int i = 0; i <= 1000; ++i) {
      set(&load, from + (to - from) * i / 1000);
      const double pressure = WritePressure(load);
      const auto cost = static_cast<double>(WriteCostMicros(load, 64 << 10));
      EXPECT_GE(pressure, last_pressure);
      EXPECT_LE(pressure, last_pressure + 0.1);
      EXPECT_GE(cost, last);
      last = cost;
      last_pressure = pressure;
    }
    EXPECT_GT(last, 1000);     // it tells
    EXPECT_LT(last, 100'000);  // and is no stall
  };
  smooth([](WriteLoad* load, double x) { load->level0_tables = static_cast<uint64_t>(x); }, 0, 20);
  smooth([](WriteLoad* load, double x) { load->memtables = x; }, 0, 3);
  smooth([](WriteLoad* load, double x) { load->debt_bytes = static_cast<uint64_t>(x); }, 0, 8e9);
}

// A writer that would be faster than the drain, whose speed is estimated wrongly by a factor: level
// 0 comes to rest below its stop, and all in all the writer is as fast as the drain.
TEST(WriteDelayTest, AFastWriterSettlesAtTheSpeedOfTheDrain) {
  for (const double error : {0.3, 1.0, 3.0}) {
    for (const double writer_rate : {60 * kMiB, 200 * kMiB, 1000 * kMiB}) {
      SCOPED_TRACE(std::to_string(error) + " " + std::to_string(writer_rate));
      WriteLoad load = AtEase();
      constexpr double kWrite = 64 << 10;
      constexpr double kTable = 4 * kMiB;
      const double drain = load.drain_rate;
      load.drain_rate = drain * error;
      double waiting = 0;  // bytes in level 0
      double seconds = 0;
      double written = 0;
      double most_tables = 0;
      int64_t longest = 0;
      while (written < 2000 * kMiB) {
        load.level0_tables = static_cast<uint64_t>(waiting / kTable);
        const int64_t cost = WriteCostMicros(load, static_cast<uint64_t>(kWrite));
        const double taken = kWrite / writer_rate + static_cast<double>(cost) / 1e6;
        seconds += taken;
        written += kWrite;
        waiting = std::max(0.0, waiting + kWrite - drain * taken);
        most_tables = std::max(most_tables, waiting / kTable);
        longest = std::max(longest, cost);
      }
      EXPECT_LT(most_tables, 16);
      EXPECT_LT(longest, 20'000);
      EXPECT_NEAR(written / seconds / drain, 1, 0.1);
    }
  }
}

}  // namespace
}  // namespace kvfs::engine
