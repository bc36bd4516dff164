// NumberSource: numbers that are never given out twice, whatever crashes. A block of
// them is reserved durably before the first of it is used; the rest of a block is lost
// with the process. Owned by the node. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::replication {

class NumberSource {
 public:
  struct Options {
    Bytes key;                  // where the end of the reserved numbers is kept
    uint64_t first = 1;         // of a new store
    uint64_t block = 1 << 20;   // numbers per reservation, at least 1
    uint64_t end = UINT64_MAX;  // numbers are below this; kNoSpace when they are used up
  };

  // Goes on behind everything reserved so far. kCorruption.
  static Result<std::unique_ptr<NumberSource>> Open(Options options, LocalStore* store,
                                                    env::Scheduler* scheduler);

  // The first of `count` consecutive numbers (count <= block). Waits only where a block has to be
  // reserved.
  Task<Result<uint64_t>> Take(uint64_t count);

  // Gives back what is reserved and not used; nothing is taken afterwards. For a clean shutdown.
  Status Close();

 private:
  NumberSource(Options options, LocalStore* store, env::Scheduler* scheduler, uint64_t reserved);
  bool TryTake(uint64_t count, uint64_t* first);
  Result<Position> Record(uint64_t reserved);

  const Options options_;
  LocalStore* const store_;
  env::AsyncMutex reserving_;  // one reservation at a time; taken before mutex_
  std::mutex mutex_;           // guards the two below
  uint64_t next_;
  uint64_t reserved_;
};

}  // namespace kvfs::replication
