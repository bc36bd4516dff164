// Garbage in blob files: files are dropped and rewritten, one at a time, beside compactions.
#include <algorithm>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {

namespace {
constexpr uint64_t kStepBytes = 1u << 20;  // copied by one task
// Below this share of all blob bytes, garbage in files below the ratio is left alone.
constexpr double kTotalGarbageShare = 0.6;
// A file with less is never worth a rewrite.
constexpr double kLeastGarbage = 0.05;
}  // namespace

void DbImpl::CollectTask() {
  auto more = CollectGarbage();
  bool retry = false;
  if (!more.ok()) {
    rewrite_.reset();
    HandleBackgroundStatus(more.error(), &retry);
  }
  if (retry) {
    RetryLater();
  }
  const std::lock_guard lock(mutex_);
  if (more.ok() && *more && !failed_.load(std::memory_order_acquire) && !retry_armed_) {
    tasks_.Post(env::Priority::kBackground, [this] { CollectTask(); });
    return;
  }
  collecting_ = false;
  waiters_.WakeAll();
  Schedule();
}

Result<bool> DbImpl::CollectGarbage() {
  if (rewrite_ == nullptr) {
    return PickBlobWork();
  }
  KVFS_ASSIGN_OR_RETURN(const bool done, rewrite_->Step(kStepBytes));
  if (done) {
    KVFS_RETURN_IF_ERROR(FinishRewrite());
  }
  return true;
}

Result<bool> DbImpl::PickBlobWork() {
  std::vector<uint64_t> empty;
  uint64_t victim = 0;
  OrdinalSet needed;
  std::shared_ptr<const Version> version;
  {
    const std::lock_guard lock(mutex_);
    version = versions_.current();
    uint64_t total = 0;
    uint64_t garbage = 0;
    double worst = 0;
    for (const auto& [logical, state] : versions_.blobs()) {
      if (!state.meta.Finished()) {
        continue;
      }
      if (state.live.Empty() && state.unflushed.Empty()) {
        empty.push_back(logical);
        continue;
      }
      total += state.meta.record_bytes;
      garbage += state.GarbageBytes();
      const double share = static_cast<double>(state.GarbageBytes()) /
                           static_cast<double>(std::max<uint64_t>(1, state.meta.record_bytes));
      if (share > worst) {
        worst = share;
        victim = logical;
      }
    }
    // A file on its own may stay just below the ratio; all together may not come near it.
    const bool much = static_cast<double>(garbage) >
                      options_.blob_garbage_ratio * kTotalGarbageShare * static_cast<double>(total);
    // When everything is to be collected, compactions first: they make more of it.
    const double least =
        compact_all_ > 0 && compactions_.empty() ? kLeastGarbage : options_.blob_garbage_ratio;
    const bool room = !space_short_ || compactions_.empty();
    if (!room || !(worst >= least || (much && worst > kLeastGarbage))) {
      victim = 0;
    }
    if (victim != 0) {
      needed = versions_.blobs().at(victim).live;
      for (const uint32_t ordinal : versions_.blobs().at(victim).unflushed.Ordinals()) {
        needed.Insert(ordinal);
      }
    }
  }
  if (!empty.empty()) {
    KVFS_RETURN_IF_ERROR(DropEmptyBlobFiles(std::move(empty)));
    return true;
  }
  if (victim == 0) {
    return false;
  }
  KVFS_ASSIGN_OR_RETURN(auto from, version->OpenBlob(&blob_files_, victim));
  KVFS_ASSIGN_OR_RETURN(rewrite_, BlobRewrite::Start(env_, directory_, std::move(from),
                                                     std::move(needed), versions_.NewFileNumber()));
  return true;
}

Status DbImpl::DropEmptyBlobFiles(std::vector<uint64_t> logical) {
  VersionEdit edit;
  edit.removed_blob_files = std::move(logical);
  return versions_.Apply(std::move(edit));
}

Status DbImpl::FinishRewrite() {
  const auto rewrite = std::move(rewrite_);
  disk_bytes_.fetch_add(rewrite->bytes_written(), std::memory_order_relaxed);
  space_.NoteWritten(rewrite->bytes_written());
  blob_rewrites_.Note(rewrite->bytes_written());
  KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
  rewrite->Release();
  return versions_.Apply(rewrite->edit());
}

}  // namespace kvfs::engine
