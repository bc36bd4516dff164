// SpaceGuard: whether there is room for a write. It knows the bound on the directory
// and asks the file system for its free space now and then: every few MiB written, and
// every second. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "kvcore/base/status.h"
#include "kvcore/engine/options.h"
#include "kvcore/env/env.h"

namespace kvfs::engine {

class SpaceGuard {
 public:
  SpaceGuard(const Options& options, const env::Env& env, std::string directory);

  // kNoSpace if `bytes` more would touch the reserve. `own`: size of the directory; `promised`:
  // bytes taken in that background work has yet to write.
  Status Check(uint64_t bytes, bool may_use_reserve, uint64_t own, uint64_t promised);
  // Whether what the last Check left over covers `bytes` more; a yes uses them up. Takes no lock,
  // so that small writes need not look at everything each time.
  bool TakeCredit(uint64_t bytes);
  // The next write is to be checked.
  void DropCredit() { credit_.store(0, std::memory_order_relaxed); }
  // Something wrote to the disk.
  void NoteWritten(uint64_t bytes);

  // Total and still writable bytes, the reserve taken off.
  Result<env::SpaceInfo> Space(uint64_t own, uint64_t promised);

 private:
  Result<env::SpaceInfo> Disk();  // as last asked, less what was written since
  uint64_t CapacityReserve() const;

  const Options options_;
  const env::Env env_;
  const std::string directory_;
  std::mutex mutex_;
  bool known_ = false;
  env::SpaceInfo disk_;
  int64_t asked_at_ = 0;
  std::atomic<uint64_t> written_since_{0};
  std::atomic<int64_t> credit_{0};
};

}  // namespace kvfs::engine
