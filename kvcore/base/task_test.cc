#include "kvcore/base/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace kvfs {
namespace {

Task<int> Inline(int x) { co_return x + 1; }

Task<int64_t> Loop(int n) {
  int64_t sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += co_await Inline(i);
  }
  co_return sum;
}

// Inline completions must not grow the stack, in any preset.
TEST(TaskTest, TenMillionInlineAwaitsNeedNoStack) {
  auto task = Loop(10'000'000);
  ASSERT_TRUE(task.IsDone());
  EXPECT_EQ(task.TakeValue(), int64_t{10'000'000} * 10'000'001 / 2);
}

struct Gate {
  std::coroutine_handle<> waiter;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) { waiter = h; }
  void await_resume() {}
};

Task<std::unique_ptr<int>> AfterGate(Gate* gate) {
  co_await *gate;
  co_return std::make_unique<int>(7);
}
Task<int> Outer(Gate* gate) { co_return *co_await AfterGate(gate); }

TEST(TaskTest, WaitingTaskGoesOnWhereItsChildFinishes) {
  Gate gate;
  auto task = Outer(&gate);
  EXPECT_FALSE(task.IsDone());
  std::thread([&] { gate.waiter.resume(); }).join();
  ASSERT_TRUE(task.IsDone());
  EXPECT_EQ(task.TakeValue(), 7);
}

TEST(TaskTest, DetachedTaskFreesItself) {
  auto alive = std::make_shared<int>(0);
  Gate gate;
  auto body = [](std::shared_ptr<int> keep, Gate* g) -> Task<void> {
    co_await *g;
    ++*keep;
  };
  body(alive, &gate).Detach();
  EXPECT_EQ(alive.use_count(), 2);
  gate.waiter.resume();
  EXPECT_EQ(*alive, 1);
  EXPECT_EQ(alive.use_count(), 1);
}

}  // namespace
}  // namespace kvfs
