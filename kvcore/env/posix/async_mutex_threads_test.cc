// AsyncMutex under real threads.
#include <gtest/gtest.h>

#include <atomic>

#include "kvcore/env/async_mutex.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/thread_pool_scheduler.h"

namespace kvfs::env::posix {
namespace {

struct Hop {
  Scheduler* scheduler;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    scheduler->Post(Priority::kBackground, [h] { h.resume(); });
  }
  void await_resume() {}
};

Task<void> Add(Scheduler* scheduler, AsyncMutex* mutex, int64_t* sum, int times) {
  for (int i = 0; i < times; ++i) {
    auto guard = co_await mutex->Lock();
    const int64_t before = *sum;
    if (i % 4 == 0) {
      co_await Hop{scheduler};  // held over a wait and a change of thread
    }
    *sum = before + 1;
  }
}

TEST(AsyncMutexThreadsTest, NoUpdateIsLost) {
  int64_t sum = 0;
  {
    ThreadPoolScheduler scheduler(4);
    AsyncMutex mutex(&scheduler);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          BlockingWait(Add(&scheduler, &mutex, &sum, 100));
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
  }
  EXPECT_EQ(sum, 4 * 20 * 100);
}

}  // namespace
}  // namespace kvfs::env::posix
