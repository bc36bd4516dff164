#include "kvcore/env/sim/sim_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace kvfs::env::sim {
namespace {

TEST(SimSchedulerTest, UrgentFirstThenInOrder) {
  SimScheduler scheduler(1, false);
  std::string order;
  scheduler.Post(Priority::kBackground, [&] { order += "e"; });
  scheduler.Post(Priority::kFlush, [&] { order += "c"; });
  scheduler.Post(Priority::kFlush, [&] { order += "d"; });
  scheduler.Post(Priority::kForeground, [&] {
    order += "a";
    scheduler.Post(Priority::kForeground, [&] { order += "b"; });
  });
  EXPECT_EQ(order, "");
  scheduler.RunUntilIdle();
  EXPECT_EQ(order, "abcde");
}

TEST(SimSchedulerTest, TimeMovesOnlyToTheNextTimer) {
  SimScheduler scheduler(1, false);
  std::vector<int64_t> at;
  scheduler.PostAfter(500, Priority::kForeground, [&] { at.push_back(scheduler.NowMicros()); });
  scheduler.PostAfter(100, Priority::kBackground, [&] {
    at.push_back(scheduler.NowMicros());
    scheduler.PostAfter(50, Priority::kBackground, [&] { at.push_back(scheduler.NowMicros()); });
  });
  scheduler.RunUntilIdle();
  EXPECT_TRUE(at.empty());
  scheduler.RunFor(400);
  EXPECT_EQ(at, (std::vector<int64_t>{100, 150}));
  EXPECT_EQ(scheduler.NowMicros(), 400);
  EXPECT_FALSE(scheduler.RunUntil([&] { return at.size() == 3; }, 99));
  EXPECT_TRUE(scheduler.RunUntil([&] { return at.size() == 3; }, 100));
  EXPECT_EQ(at.back(), 500);
}

TEST(SimSchedulerTest, CancelHoldsBeforeAndAfterTheTimerIsDue) {
  SimScheduler scheduler(1, false);
  bool ran = false;
  const auto far = scheduler.PostAfter(1000, Priority::kForeground, [&] { ran = true; });
  EXPECT_TRUE(scheduler.Cancel(far));
  EXPECT_FALSE(scheduler.Cancel(far));
  const auto low = scheduler.PostAfter(10, Priority::kBackground, [&] { ran = true; });
  bool cancelled = false;
  scheduler.PostAfter(10, Priority::kForeground, [&] { cancelled = scheduler.Cancel(low); });
  scheduler.RunFor(2000);
  EXPECT_TRUE(cancelled);
  EXPECT_FALSE(ran);
}

std::string ShuffledOrder(uint64_t seed) {
  SimScheduler scheduler(seed, true);
  std::string order;
  for (char c = 'a'; c < 'k'; ++c) {
    scheduler.Post(Priority::kForeground, [&order, c] { order += c; });
  }
  scheduler.RunUntilIdle();
  return order;
}

TEST(SimSchedulerTest, ShuffledOrderDependsOnTheSeedAlone) {
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(ShuffledOrder(seed), ShuffledOrder(seed));
    orders.insert(ShuffledOrder(seed));
  }
  EXPECT_GT(orders.size(), 40u);
}

struct Sleep {
  Scheduler* scheduler;
  int64_t micros;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    scheduler->PostAfter(micros, Priority::kForeground, [h] { h.resume(); });
  }
  void await_resume() {}
};

Task<int64_t> SleepTwice(Env env) {
  co_await Sleep{env.scheduler, 1'000'000};
  co_await Sleep{env.scheduler, 500'000};
  co_return env.clock->MonotonicMicros();
}
Task<void> SleepOnce(Env env) { co_await Sleep{env.scheduler, 1}; }
Task<void> SleepForEver() { co_await std::suspend_always{}; }

TEST(SimWorldTest, RunDrivesATaskThroughVirtualTime) {
  SimWorld world;
  EXPECT_EQ(world.Run(SleepTwice(world.env())), 1'500'000);
  world.Run(SleepOnce(world.env()));
}

TEST(SimWorldDeathTest, ATaskThatCannotFinishIsReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        SimWorld world;
        world.Run(SleepForEver());
      },
      "still waiting");
}

TEST(SimClockTest, WallClockJumpsAndDriftsMonotonicDoesNot) {
  SimWorld world({.machines = 2});
  SimClock& clock = world.machine(0).clock();
  const int64_t start = clock.WallNanos();
  world.RunFor(1'000'000);
  EXPECT_EQ(clock.WallNanos() - start, 1'000'000'000);
  clock.SetDrift(100);
  world.RunFor(10'000'000);
  EXPECT_EQ(clock.WallNanos() - start, 11'000'000'000 + 1'000'000);
  clock.JumpWall(-5'000'000'000);
  EXPECT_EQ(clock.WallNanos() - start, 6'001'000'000);
  EXPECT_EQ(clock.MonotonicMicros(), 11'000'000);
  EXPECT_EQ(world.machine(1).clock().WallNanos() - start, 11'000'000'000);
}

TEST(SimRandomTest, SameSeedSameNumbers) {
  SimRandom a(5);
  SimRandom b(5);
  SimRandom c(6);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = a.Next();
    EXPECT_EQ(value, b.Next());
    EXPECT_NE(value, c.Next());
    EXPECT_TRUE(seen.insert(value).second);
  }
  // The first outputs of the published generator from seed 1234567.
  SimRandom published(1234567);
  EXPECT_EQ(published.Next(), 6457827717110365317u);
  EXPECT_EQ(published.Next(), 3203168211198807973u);
}

class SimMessageBusTest : public ::testing::Test {
 protected:
  void Listen(NodeId node) {
    bus_.SetHandler(node, [this](Message m) { got_.push_back(m.header); });
  }
  Status Send(NodeId from, NodeId to, Bytes header) {
    return bus_.Send({.from = from, .to = to, .header = std::move(header)});
  }
  SimScheduler scheduler_{1, false};
  SimMessageBus bus_{&scheduler_, 2};
  std::vector<Bytes> got_;
};

TEST_F(SimMessageBusTest, DeliversLaterAsATask) {
  Listen(2);
  EXPECT_TRUE(Send(1, 2, "x").ok());
  EXPECT_EQ(Send(1, 3, "x").code(), Code::kUnavailable);
  scheduler_.RunUntilIdle();
  EXPECT_TRUE(got_.empty());
  scheduler_.RunFor(200);
  EXPECT_EQ(got_, std::vector<Bytes>{"x"});
  EXPECT_TRUE(Send(1, 2, "y").ok());
  bus_.SetHandler(2, nullptr);
  scheduler_.RunFor(1000);
  EXPECT_EQ(got_.size(), 1u);
}

TEST_F(SimMessageBusTest, LosesRepeatsAndReorders) {
  Listen(2);
  bus_.SetLink(
      1, 2, {.min_delay_micros = 1, .max_delay_micros = 5000, .loss = 0.25, .duplication = 0.25});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(Send(1, 2, std::to_string(1000 + i)).ok());
    scheduler_.RunFor(10);
  }
  scheduler_.RunFor(10'000);
  const std::set<Bytes> distinct(got_.begin(), got_.end());
  EXPECT_GT(distinct.size(), 650u);
  EXPECT_LT(distinct.size(), 850u);
  EXPECT_GT(got_.size(), distinct.size() + 100);
  EXPECT_FALSE(std::is_sorted(got_.begin(), got_.end()));
  // Another link is not touched.
  got_.clear();
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(Send(3, 2, "z").ok());
  }
  scheduler_.RunFor(10'000);
  EXPECT_EQ(got_.size(), 100u);
}

TEST_F(SimMessageBusTest, CutsOneWay) {
  Listen(1);
  Listen(2);
  EXPECT_TRUE(Send(1, 2, "under way").ok());
  bus_.Cut(1, 2);
  EXPECT_TRUE(Send(1, 2, "lost").ok());
  EXPECT_TRUE(Send(2, 1, "back").ok());
  scheduler_.RunFor(1000);
  EXPECT_EQ(got_, std::vector<Bytes>{"back"});
  bus_.Mend(1, 2);
  EXPECT_TRUE(Send(1, 2, "again").ok());
  scheduler_.RunFor(1000);
  EXPECT_EQ(got_.back(), "again");
}

TEST_F(SimMessageBusTest, PartitionsBothWays) {
  for (NodeId node = 1; node <= 4; ++node) {
    Listen(node);
  }
  EXPECT_EQ(bus_.Partition({1, 2}).size(), 8u);
  for (NodeId from = 1; from <= 4; ++from) {
    for (NodeId to = 1; to <= 4; ++to) {
      EXPECT_TRUE(Send(from, to, (from <= 2) == (to <= 2) ? "within" : "across").ok());
    }
  }
  scheduler_.RunFor(1000);
  EXPECT_EQ(got_, std::vector<Bytes>(8, "within"));
  bus_.MendAll();
  EXPECT_TRUE(Send(1, 4, "across").ok());
  scheduler_.RunFor(1000);
  EXPECT_EQ(got_.back(), "across");
}

TEST_F(SimMessageBusTest, AClogHoldsBackWhatIsSentAndWhatIsUnderWay) {
  Listen(2);
  EXPECT_TRUE(Send(1, 2, "under way").ok());
  bus_.Clog(1, 2, 50'000);
  EXPECT_TRUE(Send(1, 2, "sent").ok());
  EXPECT_TRUE(Send(3, 2, "other link").ok());
  scheduler_.RunFor(49'000);
  EXPECT_EQ(got_, std::vector<Bytes>{"other link"});
  scheduler_.RunFor(2000);
  EXPECT_EQ(got_.size(), 3u);
  EXPECT_TRUE(Send(1, 2, "prompt").ok());
  scheduler_.RunFor(1000);
  EXPECT_EQ(got_.back(), "prompt");
}

TEST_F(SimMessageBusTest, ALateMessageIsOvertaken) {
  Listen(2);
  bus_.SetDefaultLink({.lateness = 0.5, .max_late_micros = 100'000});
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(Send(1, 2, std::to_string(100 + i)).ok());
    scheduler_.RunFor(1000);
  }
  scheduler_.RunFor(100'000);
  EXPECT_EQ(got_.size(), 100u);
  EXPECT_FALSE(std::is_sorted(got_.begin(), got_.end()));
}

}  // namespace
}  // namespace kvfs::env::sim
