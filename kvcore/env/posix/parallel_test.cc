#include "kvcore/env/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/thread_pool_scheduler.h"

namespace kvfs::env::posix {
namespace {

// Keeps what is posted, as a pool does whose threads are all busy.
class BusyScheduler final : public Scheduler {
 public:
  void Post(Priority, Work work) override { tasks.push_back(std::move(work)); }
  TimerId PostAfter(int64_t, Priority, Work) override { return 0; }
  bool Cancel(TimerId) override { return false; }

  std::vector<Work> tasks;
};

TEST(InParallelTest, TheCallerDoesItAllWhereNobodyHelps) {
  BusyScheduler scheduler;
  std::vector<int> calls(5);
  std::function<void(size_t)> count = [&](size_t i) { ++calls[i]; };
  Task<void> task = InParallel(&scheduler, calls.size(), count);
  ASSERT_TRUE(task.IsDone());
  EXPECT_EQ(scheduler.tasks.size(), 3u);
  for (auto& late : scheduler.tasks) {
    late();  // finds nothing to do
  }
  EXPECT_EQ(calls, std::vector<int>(5, 1));
}

TEST(InParallelTest, NoWorkIsNoTask) {
  BusyScheduler scheduler;
  std::function<void(size_t)> never = [](size_t) { FAIL(); };
  EXPECT_TRUE(InParallel(&scheduler, 0, never).IsDone());
  EXPECT_TRUE(scheduler.tasks.empty());
}

Task<void> CountOnce(Scheduler* scheduler, size_t count) {
  std::vector<std::atomic<int>> calls(count);
  std::function<void(size_t)> add = [&](size_t i) { calls[i].fetch_add(1); };
  co_await InParallel(scheduler, count, add);
  for (const auto& times : calls) {
    EXPECT_EQ(times.load(), 1);
  }
}

TEST(InParallelTest, EachIndexOnceAndAllBeforeItReturns) {
  ThreadPoolScheduler scheduler(4);
  for (size_t round = 0; round < 2000; ++round) {
    BlockingWait(CountOnce(&scheduler, round % 40));
  }
}

}  // namespace
}  // namespace kvfs::env::posix
