// Scheduler: where work runs that is not on some caller's thread. Thread-safe.
//
// Tasks of one priority start in the order they were posted; a higher priority
// starts first. The posix scheduler has a pool of threads, so tasks run in
// parallel; the simulated one runs them one by one in virtual time. A task must
// not block waiting for another task.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

namespace kvfs::env {

enum class Priority : uint8_t {
  kForeground,  // resumes somebody who waits for an operation
  kFlush,       // frees memory that writers wait for
  kBackground,  // compaction, reclaiming, read-ahead
};
inline constexpr int kPriorityCount = 3;

class Scheduler {
 public:
  using Work = std::function<void()>;
  using TimerId = uint64_t;

  virtual ~Scheduler() = default;

  virtual void Post(Priority priority, Work work) = 0;
  // Foreground work of a task that ends, or waits, without blocking meanwhile: the thread that
  // runs the task may go on with this itself, which spares another thread its waking.
  virtual void PostNext(Work work) { Post(Priority::kForeground, std::move(work)); }
  // Runs `work` as a task of `priority` once `delay_micros` (>= 0) have passed.
  virtual TimerId PostAfter(int64_t delay_micros, Priority priority, Work work) = 0;
  // True if the work will not run any more; false if it has started or run, or the id is unknown.
  virtual bool Cancel(TimerId id) = 0;
};

}  // namespace kvfs::env
