// ThreadPoolScheduler: the scheduler of a real process, a fixed pool of threads
// and one more that watches the timers. Thread-safe.
//
// A free worker takes the most urgent task it may run. So that long tasks never
// hold up somebody who waits, the first worker runs nothing but kForeground and,
// in a pool of three or more, the second nothing below kFlush; a pool of two
// keeps one worker for kForeground and kFlush together. The workers that run
// kBackground are niced, so that they take a processor last where all are busy.
//
// The destructor runs everything that is posted, and what that posts, drops the
// timers that are not due, and joins. It must not run on a worker.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "kvcore/env/clock.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::env::posix {

class ThreadPoolScheduler final : public Scheduler {
 public:
  static constexpr int kMinThreads = 2;

  // Fewer than kMinThreads are rounded up.
  explicit ThreadPoolScheduler(int threads);
  ThreadPoolScheduler(const ThreadPoolScheduler&) = delete;
  ThreadPoolScheduler& operator=(const ThreadPoolScheduler&) = delete;
  ~ThreadPoolScheduler() override;

  void Post(Priority priority, Work work) override;
  void PostNext(Work work) override;
  TimerId PostAfter(int64_t delay_micros, Priority priority, Work work) override;
  bool Cancel(TimerId id) override;

 private:
  struct Item {
    Work work;
    TimerId timer = 0;  // 0: posted directly
  };
  struct Worker {
    Priority least_urgent;  // it runs this and everything more urgent
    bool idle = false;      // cleared by whoever wakes it
    std::condition_variable wake;
    Work next;  // what its task has left for it; used by its thread alone
    std::atomic<std::thread::id> id;
    std::thread thread;
  };
  struct Timer {
    Priority priority;
    Work work;
  };
  using TimerKey = std::pair<int64_t, TimerId>;  // due, in monotonic microseconds

  void RunWorker(Worker* worker);
  // The worker that the calling thread is, or null.
  Worker* Self() const;
  void RunTimers();
  // The three below: REQUIRES mutex_.
  void Enqueue(Priority priority, Item item);
  bool Dequeue(const Worker& worker, Item* item);
  bool Drained() const;

  std::mutex mutex_;  // guards everything below
  std::deque<Item> queues_[kPriorityCount];
  std::vector<std::unique_ptr<Worker>> workers_;
  int running_ = 0;  // tasks being run now
  bool draining_ = false;
  bool stopping_ = false;
  std::condition_variable drained_;

  std::map<TimerKey, Timer> timers_;
  std::unordered_map<TimerId, int64_t> timer_due_;  // those in timers_
  std::unordered_set<TimerId> timers_queued_;       // due, not started, not cancelled
  TimerId last_timer_ = 0;
  int64_t timers_wake_micros_ = 0;  // when the thread that watches them looks again
  std::condition_variable timers_changed_;
  std::thread timer_thread_;
};

}  // namespace kvfs::env::posix
