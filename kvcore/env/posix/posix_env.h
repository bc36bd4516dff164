// PosixEnv: the interfaces of a real process, without a message bus. Owns
// them; create it after any fork and destroy it last. Its destructor drains the
// scheduler.
#pragma once

#include "kvcore/env/env.h"
#include "kvcore/env/posix/posix_clock.h"
#include "kvcore/env/posix/posix_file_system.h"
#include "kvcore/env/posix/posix_memory.h"
#include "kvcore/env/posix/posix_random.h"
#include "kvcore/env/posix/thread_pool_scheduler.h"

namespace kvfs::env::posix {

class PosixEnv {
 public:
  explicit PosixEnv(int scheduler_threads) : scheduler_(scheduler_threads) {}

  Env env() {
    return {.clock = &clock_,
            .scheduler = &scheduler_,
            .files = &files_,
            .random = &random_,
            .memory = &memory_};
  }

 private:
  PosixMemory memory_;
  PosixClock clock_;
  PosixRandom random_;
  PosixFileSystem files_;
  ThreadPoolScheduler scheduler_;  // last: drained before the rest goes
};

}  // namespace kvfs::env::posix
