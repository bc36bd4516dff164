// SimScheduler: one thread and virtual time. Nothing runs until one of the Run
// functions is called; time stands still while a task runs and moves only when
// no task is ready, straight to the next timer. Single-threaded. Destroying it
// drops what has not run.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <unordered_map>

#include "kvcore/base/task.h"
#include "kvcore/env/scheduler.h"
#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {

class SimScheduler final : public Scheduler {
 public:
  static constexpr int64_t kHour = int64_t{3600} * 1'000'000;

  // With `shuffle` the next task is drawn, mostly among the most urgent ones and now and then
  // among the others: the orders that a pool of threads may produce.
  SimScheduler(uint64_t seed, bool shuffle) : random_(seed), shuffle_(shuffle) {}
  SimScheduler(const SimScheduler&) = delete;
  SimScheduler& operator=(const SimScheduler&) = delete;

  void Post(Priority priority, Work work) override;
  TimerId PostAfter(int64_t delay_micros, Priority priority, Work work) override;
  bool Cancel(TimerId id) override;

  int64_t NowMicros() const { return now_; }

  // A hash of everything that has run so far and when, and of what was noted: two runs of one seed
  // that differ anywhere differ in it.
  uint64_t trace_hash() const { return trace_hash_; }
  void Note(uint64_t event);

  // Runs what is ready, and what that makes ready, without moving time.
  void RunUntilIdle();
  // Runs everything that is due in the next `micros` and leaves time there.
  void RunFor(int64_t micros);
  // Runs, moving time as needed, until the predicate holds: true; or until nothing more is due
  // within `micros`: false.
  bool RunUntil(const std::function<bool()>& predicate, int64_t micros = kHour);
  // Runs until the task is done and returns its value. A task that is not done after `micros` of
  // virtual time waits for something that never comes: the process is aborted.
  template <typename T>
  T Run(Task<T> task, int64_t micros = kHour) {
    if (!RunUntil([&task] { return task.IsDone(); }, micros)) {
      AbortStuck();
    }
    return task.TakeValue();
  }

 private:
  struct Item {
    TimerId id;
    Work work;
  };
  struct Timer {
    Priority priority;
    Work work;
  };
  using TimerKey = std::pair<int64_t, TimerId>;  // due

  void ReleaseDueTimers();
  bool RunOne();  // false: nothing is ready
  std::deque<Item>* PickQueue();
  [[noreturn]] void AbortStuck() const;

  SimRandom random_;
  const bool shuffle_;
  int64_t now_ = 0;
  bool running_ = false;
  uint64_t trace_hash_ = 0;
  TimerId last_id_ = 0;
  std::deque<Item> ready_[kPriorityCount];
  std::map<TimerKey, Timer> timers_;
  std::unordered_map<TimerId, int64_t> timer_due_;  // those in timers_
};

}  // namespace kvfs::env::sim
