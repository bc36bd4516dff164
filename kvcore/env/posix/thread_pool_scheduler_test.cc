#include "kvcore/env/posix/thread_pool_scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_clock.h"
#include "kvcore/env/posix/posix_random.h"

namespace kvfs::env::posix {
namespace {

constexpr auto kDeadline = std::chrono::seconds(60);

// Fills every worker that takes background work, until opened.
class Plug {
 public:
  Plug(Scheduler* scheduler, Priority priority, int count) {
    for (int i = 0; i < count; ++i) {
      auto started = std::make_shared<std::promise<void>>();
      auto future = started->get_future();
      scheduler->Post(priority, [started, open = open_] {
        started->set_value();
        open.wait();
      });
      future.wait();
    }
  }
  ~Plug() { Open(); }
  void Open() {
    if (!opened_) {
      opened_ = true;
      promise_.set_value();
    }
  }

 private:
  std::promise<void> promise_;
  std::shared_future<void> open_{promise_.get_future().share()};
  bool opened_ = false;
};

TEST(ThreadPoolSchedulerTest, DestructorRunsAllPostedAndWhatThatPosts) {
  std::atomic<int> ran{0};
  {
    ThreadPoolScheduler scheduler(3);
    for (int i = 0; i < 1000; ++i) {
      scheduler.Post(static_cast<Priority>(i % kPriorityCount), [&ran, &scheduler, i] {
        ++ran;
        scheduler.Post(static_cast<Priority>((i + 1) % kPriorityCount), [&ran] { ++ran; });
      });
    }
  }
  EXPECT_EQ(ran, 2000);
}

TEST(ThreadPoolSchedulerTest, BackgroundWorkNeverHoldsUpForegroundOrFlush) {
  for (int threads : {1, 2, 3, 4}) {
    ThreadPoolScheduler scheduler(threads);
    Plug plug(&scheduler, Priority::kBackground, threads <= 2 ? 1 : threads - 2);
    std::atomic<bool> background_ran{false};
    scheduler.Post(Priority::kBackground, [&] { background_ran = true; });
    std::promise<void> flush;
    scheduler.Post(Priority::kFlush, [&] { flush.set_value(); });
    EXPECT_EQ(flush.get_future().wait_for(kDeadline), std::future_status::ready);
    std::promise<void> foreground;
    scheduler.Post(Priority::kForeground, [&] { foreground.set_value(); });
    EXPECT_EQ(foreground.get_future().wait_for(kDeadline), std::future_status::ready);
    EXPECT_FALSE(background_ran);
    plug.Open();
  }
}

TEST(ThreadPoolSchedulerTest, FlushesDoNotHoldUpForegroundInAPoolOfThree) {
  ThreadPoolScheduler scheduler(3);
  Plug plug(&scheduler, Priority::kFlush, 2);
  std::promise<void> foreground;
  scheduler.Post(Priority::kForeground, [&] { foreground.set_value(); });
  EXPECT_EQ(foreground.get_future().wait_for(kDeadline), std::future_status::ready);
  plug.Open();
}

TEST(ThreadPoolSchedulerTest, UrgentFirstThenInOrder) {
  std::vector<int> order;  // guarded by the plug: one worker runs them all
  {
    ThreadPoolScheduler scheduler(2);
    Plug general(&scheduler, Priority::kBackground, 1);
    Plug reserved(&scheduler, Priority::kFlush, 1);
    scheduler.Post(Priority::kBackground, [&] { order.push_back(4); });
    scheduler.Post(Priority::kFlush, [&] { order.push_back(2); });
    scheduler.Post(Priority::kFlush, [&] { order.push_back(3); });
    scheduler.Post(Priority::kForeground, [&] { order.push_back(0); });
    scheduler.Post(Priority::kForeground, [&] { order.push_back(1); });
    std::promise<void> done;
    scheduler.Post(Priority::kBackground, [&] { done.set_value(); });
    general.Open();
    done.get_future().wait();
    reserved.Open();
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(ThreadPoolSchedulerTest, TimersRunWhenDueAndNotBefore) {
  ThreadPoolScheduler scheduler(2);
  PosixClock clock;
  const int64_t start = clock.MonotonicMicros();
  std::promise<int64_t> late;
  scheduler.PostAfter(30'000, Priority::kForeground,
                      [&] { late.set_value(clock.MonotonicMicros()); });
  std::promise<int64_t> early;  // posted later, due earlier
  scheduler.PostAfter(5'000, Priority::kBackground,
                      [&] { early.set_value(clock.MonotonicMicros()); });
  EXPECT_GE(early.get_future().get() - start, 5'000);
  EXPECT_GE(late.get_future().get() - start, 30'000);
}

TEST(ThreadPoolSchedulerTest, WhatATaskLeavesForItsThreadRunsThereWhenItHasEnded) {
  std::atomic<int> ran{0};
  std::atomic<int> elsewhere{0};
  std::atomic<bool> has_ended{false};
  {
    ThreadPoolScheduler scheduler(4);
    scheduler.Post(Priority::kForeground, [&] {
      const auto here = std::this_thread::get_id();
      scheduler.PostNext([&, here] {
        EXPECT_TRUE(has_ended);
        elsewhere += std::this_thread::get_id() == here ? 0 : 1;
        ++ran;
        scheduler.PostNext([&, here] {
          elsewhere += std::this_thread::get_id() == here ? 0 : 1;
          ++ran;
        });
      });
      scheduler.PostNext([&] { ++ran; });  // a second one is for whoever has time
      has_ended = true;
    });
    scheduler.PostNext([&] { ++ran; });  // of no task
  }
  EXPECT_EQ(ran, 4);
  EXPECT_EQ(elsewhere, 0);
}

TEST(ThreadPoolSchedulerTest, ATimerThatIsDueSoonerIsNotLate) {
  ThreadPoolScheduler scheduler(2);
  for (int i = 0; i < 20; ++i) {
    const auto later = scheduler.PostAfter(3600'000'000, Priority::kForeground, [] {});
    const auto cancelled = scheduler.PostAfter(50'000, Priority::kForeground, [] {});
    EXPECT_TRUE(scheduler.Cancel(cancelled));
    std::promise<void> fired;
    scheduler.PostAfter(i * 100, Priority::kForeground, [&] { fired.set_value(); });
    EXPECT_EQ(fired.get_future().wait_for(kDeadline), std::future_status::ready);
    EXPECT_TRUE(scheduler.Cancel(later));
  }
}

TEST(ThreadPoolSchedulerTest, CancelledTimersNeverRun) {
  std::atomic<bool> ran{false};
  {
    ThreadPoolScheduler scheduler(2);
    const auto far = scheduler.PostAfter(3'600'000'000, Priority::kForeground, [&] { ran = true; });
    EXPECT_TRUE(scheduler.Cancel(far));
    EXPECT_FALSE(scheduler.Cancel(far));
    EXPECT_FALSE(scheduler.Cancel(123456));

    // Due, but still in the queue behind the plug: cancelling must hold there too.
    Plug plug(&scheduler, Priority::kBackground, 1);
    const auto queued = scheduler.PostAfter(0, Priority::kBackground, [&] { ran = true; });
    std::promise<void> later;
    scheduler.PostAfter(1, Priority::kForeground, [&] { later.set_value(); });
    later.get_future().wait();
    EXPECT_TRUE(scheduler.Cancel(queued));
    plug.Open();
  }
  EXPECT_FALSE(ran);
}

TEST(ThreadPoolSchedulerTest, DestructorDropsTimersNotDue) {
  auto alive = std::make_shared<int>(0);
  {
    ThreadPoolScheduler scheduler(2);
    scheduler.PostAfter(3'600'000'000, Priority::kForeground, [alive] { ++*alive; });
  }
  EXPECT_EQ(*alive, 0);
  EXPECT_EQ(alive.use_count(), 1);
}

struct Hop {
  Scheduler* scheduler;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    scheduler->Post(Priority::kForeground, [h] { h.resume(); });
  }
  void await_resume() {}
};

Task<std::unique_ptr<int>> AfterHop(Scheduler* scheduler) {
  co_await Hop{scheduler};
  co_return std::make_unique<int>(7);
}
Task<void> HopOnly(Scheduler* scheduler, std::shared_ptr<int> held) {
  co_await Hop{scheduler};
  ++*held;
}

TEST(BlockingWaitTest, ReturnsTheValueAndLeavesNoFrameBehind) {
  ThreadPoolScheduler scheduler(2);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(*BlockingWait(AfterHop(&scheduler)), 7);
    auto held = std::make_shared<int>(0);
    BlockingWait(HopOnly(&scheduler, held));
    EXPECT_EQ(*held, 1);
    EXPECT_EQ(held.use_count(), 1);
  }
}

TEST(PosixRandomTest, ManyThreadsNeverDrawTheSame) {
  PosixRandom random;
  std::vector<std::future<std::vector<uint64_t>>> draws;
  for (int t = 0; t < 4; ++t) {
    draws.push_back(std::async(std::launch::async, [&random] {
      std::vector<uint64_t> values(5000);
      for (auto& v : values) {
        v = random.Next();
      }
      return values;
    }));
  }
  std::unordered_set<uint64_t> seen;
  for (auto& draw : draws) {
    for (uint64_t v : draw.get()) {
      EXPECT_TRUE(seen.insert(v).second);
    }
  }
}

TEST(PosixClockTest, MonotonicNeverGoesBackAndWallIsThisCentury) {
  PosixClock clock;
  int64_t last = clock.MonotonicMicros();
  for (int i = 0; i < 10'000; ++i) {
    const int64_t now = clock.MonotonicMicros();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GT(clock.WallNanos(), int64_t{1'700'000'000} * 1'000'000'000);
}

}  // namespace
}  // namespace kvfs::env::posix
