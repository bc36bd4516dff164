#include "fs/vfs/periodic.h"

#include <gtest/gtest.h>

#include "tests/support/step_env.h"

namespace kvfs::fs {
namespace {

constexpr int64_t kInterval = 1'000'000;

class PeriodicTest : public ::testing::Test {
 protected:
  Task<void> Count() {
    ++runs_;
    co_return;
  }

  testing::StepEnv steps_;
  int runs_ = 0;
};

TEST_F(PeriodicTest, RunsOncePerInterval) {
  Periodic job(&steps_, kInterval, [this] { return Count(); });
  job.Start();
  steps_.Advance(kInterval - 1);
  EXPECT_EQ(runs_, 0);
  steps_.Advance(1);
  EXPECT_EQ(runs_, 1);
  steps_.Advance(3 * kInterval);
  EXPECT_EQ(runs_, 4);
  auto stop = job.Stop();
  steps_.RunReady();
  EXPECT_TRUE(stop.IsDone());
  steps_.Advance(3 * kInterval);
  EXPECT_EQ(runs_, 4);
}

TEST_F(PeriodicTest, APokeEndsThePauseOnce) {
  Periodic job(&steps_, kInterval, [this] { return Count(); });
  job.Start();
  job.Poke();
  job.Poke();
  steps_.RunReady();
  EXPECT_EQ(runs_, 1);
  steps_.Advance(kInterval - 1);
  EXPECT_EQ(runs_, 1);
  steps_.Advance(1);
  EXPECT_EQ(runs_, 2);
  job.Poke();
  auto stop = job.Stop();  // with a poke under way
  steps_.RunReady();
  EXPECT_TRUE(stop.IsDone());
}

TEST_F(PeriodicTest, StopWaitsForTheJobUnderWay) {
  env::AsyncMutex gate(&steps_);
  auto held = std::make_unique<env::AsyncMutex::Guard>();
  *held = steps_.Await([](env::AsyncMutex* mutex) -> Task<env::AsyncMutex::Guard> {
    auto guard = co_await mutex->Lock();
    co_return guard;
  }(&gate));
  Periodic job(&steps_, kInterval, [&] {
    return [](env::AsyncMutex* mutex, int* runs) -> Task<void> {
      auto guard = co_await mutex->Lock();
      ++*runs;
    }(&gate, &runs_);
  });
  job.Start();
  steps_.Advance(kInterval);
  auto stop = job.Stop();
  steps_.RunReady();
  EXPECT_FALSE(stop.IsDone());
  held.reset();
  steps_.RunReady();
  EXPECT_TRUE(stop.IsDone());
  EXPECT_EQ(runs_, 1);
}

TEST_F(PeriodicTest, NeedsNoStopIfNeverStarted) {
  Periodic job(&steps_, kInterval, [this] { return Count(); });
  job.Poke();
  auto stop = job.Stop();
  EXPECT_TRUE(stop.IsDone());
  EXPECT_EQ(runs_, 0);
}

}  // namespace
}  // namespace kvfs::fs
