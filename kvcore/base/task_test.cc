#include "kvcore/base/task.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
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

// The same with tasks inside tasks and with a value that must be destroyed.
Task<std::string> Text(int x) { co_return std::string(40, static_cast<char>('a' + x % 26)); }
Task<size_t> Nested(int x) {
  const std::string text = co_await Text(x);
  const int more = co_await Inline(x);
  co_return text.size() + static_cast<size_t>(more & 1);
}
Task<size_t> NestedLoop(int n) {
  size_t sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += co_await Nested(i);
  }
  co_return sum;
}
TEST(TaskTest, NestedInlineAwaitsNeedNoStack) {
  EXPECT_EQ(NestedLoop(1'000'000).TakeValue(), size_t{40'500'000});
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

// A task that finishes on one thread while another begins to wait for it: exactly one of them
// goes on with the waiter.
TEST(TaskTest, FinishingAndAwaitingMayRace) {
  for (int round = 0; round < 2000; ++round) {
    Gate gate;
    auto task = AfterGate(&gate);
    std::atomic<bool> go{false};
    std::atomic<int> got{0};
    std::thread finisher([&] {
      while (!go) {
      }
      gate.waiter.resume();
    });
    auto waiter = [](Task<std::unique_ptr<int>> t, std::atomic<int>* out) -> Task<void> {
      *out = *co_await t;
    };
    go = true;
    auto waiting = waiter(std::move(task), &got);
    finisher.join();
    ASSERT_TRUE(waiting.IsDone());
    ASSERT_EQ(got, 7);
  }
}

// Detaching while it finishes frees the frame exactly once (the sanitizers would tell).
TEST(TaskTest, FinishingAndDetachingMayRace) {
  auto alive = std::make_shared<int>(0);
  auto body = [](std::shared_ptr<int>, Gate* g) -> Task<void> { co_await *g; };
  for (int round = 0; round < 2000; ++round) {
    Gate gate;
    auto task = body(alive, &gate);
    std::atomic<bool> go{false};
    std::thread finisher([&] {
      while (!go) {
      }
      gate.waiter.resume();
    });
    go = true;
    std::move(task).Detach();
    finisher.join();
    ASSERT_EQ(alive.use_count(), 1);
  }
}

}  // namespace
}  // namespace kvfs
