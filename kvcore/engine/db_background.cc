// What all background work shares: its scheduling and its errors.
#include <algorithm>

#include "kvcore/engine/db_impl.h"

namespace kvfs::engine {

namespace {
constexpr int64_t kRetryMicros = 500'000;
}  // namespace

std::vector<uint64_t> DbImpl::SnapshotSequences() const {
  std::vector<uint64_t> sequences(snapshots_.begin(), snapshots_.end());
  sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
  return sequences;
}

bool DbImpl::Busy() const {
  return flushing_ || picking_ || collecting_ || work_wanted_ || !compactions_.empty() ||
         !immutable_.empty();
}

void DbImpl::Schedule() {
  if (options_.read_only || failed_.load(std::memory_order_acquire) || retry_armed_) {
    return;
  }
  if (!flushing_ && (!immutable_.empty() || blobs_.HasFull() || blobs_.WantsNext())) {
    flushing_ = true;
    tasks_.Post(env::Priority::kFlush, [this] { FlushTask(); });
  }
  if (!picking_ && work_wanted_) {
    picking_ = true;
    tasks_.Post(env::Priority::kBackground, [this] { PickTask(); });
  }
}

// Out of space: nothing is lost, and it is tried again in a while. Anything else is final.
void DbImpl::HandleBackgroundStatus(const Status& status, bool* retry) {
  *retry = status.code() == Code::kNoSpace;
  if (!status.ok() && !*retry) {
    (void)SetBackgroundError(status);
  }
}

void DbImpl::RetryLater() {
  const std::lock_guard lock(mutex_);
  if (retry_armed_) {
    return;
  }
  retry_armed_ = true;
  space_short_ = true;
  deleter_.Hurry();
  space_.DropCredit();
  waiters_.WakeAll();
  tasks_.PostAfter(kRetryMicros, env::Priority::kFlush, [this] {
    const std::lock_guard relock(mutex_);
    retry_armed_ = false;
    work_wanted_ = true;
    Schedule();
  });
}

void DbImpl::ForgetFile(const FileName& file) {
  if (file.kind == FileKind::kTable) {
    tables_.Evict(file.number);
  } else if (file.kind == FileKind::kBlob) {
    blob_files_.Evict(file.number);
  }
}

}  // namespace kvfs::engine
