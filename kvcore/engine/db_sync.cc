// The background sync: what was written becomes durable after a while even if nobody asks.
#include "kvcore/engine/db_impl.h"

namespace kvfs::engine {

void DbImpl::ArmBackgroundSync() {
  tasks_.PostAfter(options_.background_sync_micros, env::Priority::kBackground,
                   [this] { BackgroundSync(); });
}

void DbImpl::BackgroundSync() {
  if (failed_.load(std::memory_order_acquire)) {
    return;
  }
  BackgroundSyncRound();
  space_.DropCredit();  // others use the disk too
  ArmBackgroundSync();
}

// After the last write for a while no later record says that it is durable, so an empty one does:
// else damage to it could not be told from a torn tail.
void DbImpl::BackgroundSyncRound() {
  if (failed_.load(std::memory_order_acquire) ||
      (sync_.SyncedPosition() < LastPosition() && !sync_.TrySync())) {
    return;  // an error is the background error by now
  }
  const std::lock_guard write_lock(write_mutex_);
  LogWriter* log = active_->log.get();
  if (log->Offset() > 0 && log->SyncedUpTo() == log->Offset()) {
    (void)log->AddRecord(ByteView());  // where that is not possible the promise just waits
  }
}

}  // namespace kvfs::engine
