// ObsoleteDeleter: deletes the files that nobody needs any more, in background tasks and
// paced, so that giving back much space at once does not keep the disk's journal busy and
// every sync waiting. Owned by the Db. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "kvcore/engine/delete_pacer.h"
#include "kvcore/engine/file_handles.h"
#include "kvcore/engine/task_group.h"
#include "kvcore/env/env.h"

namespace kvfs::engine {

class ObsoleteDeleter {
 public:
  // `forget` lets go of what caches hold of a file. All that is borrowed outlives this.
  ObsoleteDeleter(const env::Env& env, std::string directory, uint64_t bytes_per_second,
                  std::shared_ptr<ObsoleteFiles> files, TaskGroup* tasks,
                  std::function<void(const FileName&)> forget);

  // From now on files are deleted as they become obsolete.
  void Start();
  // Space is short: what waits is deleted without pauses.
  void Hurry();
  // No tasks any more. Everything that waits is deleted at once.
  void Finish();

  // Size of the files that wait.
  uint64_t WaitingBytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Doomed {
    FileName file;
    uint64_t bytes = 0;
  };
  void Post(int64_t delay_micros);
  void Run();
  bool Next(Doomed* next);  // false if there is none, or not yet
  void Delete(const Doomed& doomed);

  const env::Env env_;
  const std::string directory_;
  const std::shared_ptr<ObsoleteFiles> files_;
  TaskGroup* const tasks_;
  const std::function<void(const FileName&)> forget_;
  std::atomic<uint64_t> waiting_bytes_{0};
  std::atomic<bool> hurry_{false};
  std::mutex mutex_;            // guards what follows; not held while deleting
  std::deque<Doomed> waiting_;  // oldest first
  DeletePacer pacer_;
  int64_t resume_at_ = 0;  // no deletion before
  bool timer_armed_ = false;
};

}  // namespace kvfs::engine
