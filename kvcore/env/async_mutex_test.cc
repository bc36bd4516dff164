#include "kvcore/env/async_mutex.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "kvcore/base/task.h"

namespace kvfs::env {
namespace {

// Tasks run when told, in the order posted.
class StepScheduler final : public Scheduler {
 public:
  void Post(Priority priority, Work work) override {
    EXPECT_EQ(priority, Priority::kForeground);
    tasks_.push_back(std::move(work));
  }
  TimerId PostAfter(int64_t, Priority, Work) override { return 0; }
  bool Cancel(TimerId) override { return false; }
  void Run() {
    while (!tasks_.empty()) {
      Work work = std::move(tasks_.front());
      tasks_.pop_front();
      work();
    }
  }

 private:
  std::deque<Work> tasks_;
};

struct Shared {
  StepScheduler scheduler;
  AsyncMutex mutex{&scheduler};
  int inside = 0;
  std::vector<int> order;
};

Task<void> Enter(Shared* shared, int who) {
  auto guard = co_await shared->mutex.Lock();
  EXPECT_EQ(++shared->inside, 1);
  shared->order.push_back(who);
  --shared->inside;
}

TEST(AsyncMutexTest, FreeMutexDoesNotSuspend) {
  Shared shared;
  for (int i = 0; i < 1'000'000; ++i) {
    ASSERT_TRUE(Enter(&shared, i).IsDone());
  }
  EXPECT_EQ(shared.order.size(), 1'000'000u);
}

struct Gate {
  std::coroutine_handle<> waiter;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) { waiter = h; }
  void await_resume() {}
};

Task<void> HoldUntil(Shared* shared, Gate* gate) {
  auto guard = co_await shared->mutex.Lock();
  ++shared->inside;
  co_await *gate;
  --shared->inside;
}

TEST(AsyncMutexTest, WaitersGoOnInOrderAndNotInsideUnlock) {
  Shared shared;
  Gate gate;
  auto holder = HoldUntil(&shared, &gate);
  std::vector<Task<void>> waiters;
  for (int i = 0; i < 10; ++i) {
    waiters.push_back(Enter(&shared, i));
    EXPECT_FALSE(waiters.back().IsDone());
  }
  gate.waiter.resume();
  EXPECT_TRUE(holder.IsDone());
  EXPECT_TRUE(shared.order.empty());
  auto late = Enter(&shared, 10);  // the mutex has passed to the first waiter: no overtaking
  EXPECT_FALSE(late.IsDone());
  shared.scheduler.Run();
  EXPECT_TRUE(late.IsDone());
  EXPECT_EQ(shared.order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST(AsyncMutexTest, ALongQueueNeedsNoStack) {
  constexpr int kWaiters = 100'000;
  Shared shared;
  Gate gate;
  auto holder = HoldUntil(&shared, &gate);
  for (int i = 0; i < kWaiters; ++i) {
    Enter(&shared, i).Detach();
  }
  gate.waiter.resume();
  shared.scheduler.Run();
  ASSERT_EQ(shared.order.size(), static_cast<size_t>(kWaiters));
  for (int i = 0; i < kWaiters; ++i) {
    ASSERT_EQ(shared.order[static_cast<size_t>(i)], i);
  }
}

Task<void> TwoGuards(Shared* shared, AsyncMutex* other, bool* ok) {
  auto guard = co_await shared->mutex.Lock();
  {
    auto second = co_await other->Lock();
    guard = std::move(second);  // releases the first, keeps the second
  }
  *ok = Enter(shared, 1).IsDone();
  guard.Release();
  guard.Release();
}

TEST(AsyncMutexTest, GuardsMoveAndReleaseOnce) {
  Shared shared;
  AsyncMutex other(&shared.scheduler);
  bool ok = false;
  EXPECT_TRUE(TwoGuards(&shared, &other, &ok).IsDone());
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace kvfs::env
