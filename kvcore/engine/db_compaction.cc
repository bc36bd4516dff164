// Compaction and blob rewriting in turns of bounded work, of which one runs at a time.
#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {

namespace {
constexpr uint64_t kStepBytes = 2u << 20;  // input of one background turn
}  // namespace

void DbImpl::BackgroundTurn() {
  auto more = Turn();
  bool retry = false;
  if (!more.ok()) {
    compaction_.reset();
    rewrite_.reset();
    HandleBackgroundStatus(more.error(), &retry);
  }
  if (retry) {
    RetryLater();
  }
  const std::lock_guard lock(mutex_);
  if (more.ok() && *more && !failed_.load(std::memory_order_acquire) && !retry_armed_) {
    tasks_.Post(env::Priority::kBackground, [this] { BackgroundTurn(); });
    return;
  }
  turning_ = false;
  waiters_.WakeAll();
  Schedule();
}

Result<bool> DbImpl::Turn() {
  if (compaction_ != nullptr) {
    KVFS_ASSIGN_OR_RETURN(const bool done, compaction_->Step(kStepBytes));
    if (done) {
      KVFS_RETURN_IF_ERROR(FinishCompaction());
    }
    return true;
  }
  if (rewrite_ != nullptr) {
    KVFS_ASSIGN_OR_RETURN(const bool done, rewrite_->Step(kStepBytes));
    if (done) {
      KVFS_RETURN_IF_ERROR(FinishRewrite());
    }
    return true;
  }
  return PickWork();
}

Status DbImpl::FinishCompaction() {
  const auto compaction = std::move(compaction_);
  disk_bytes_.fetch_add(compaction->bytes_written(), std::memory_order_relaxed);
  space_.NoteWritten(compaction->bytes_written());
  KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
  compaction->Release();
  return versions_.Apply(compaction->edit(), [this] { waiters_.WakeAll(); });
}

Result<bool> DbImpl::PickWork() {
  {
    const std::lock_guard lock(mutex_);
    work_wanted_ = false;
    auto version = versions_.current();
    CompactionNeeds needs;
    needs.shed_hidden = shed_hidden_ || HidesMuch(version->HiddenBytes());
    needs.everything = compact_all_ > 0;
    needs.oldest_visible = snapshots_.empty() ? kMaxSequence : *snapshots_.begin();
    if (auto picked = PickCompaction(version, options_, needs, &cursors_)) {
      CompactionJob::Context context{
          .files = env_.files,
          .directory = directory_,
          .options = options_,
          .tables = &tables_,
          .new_file_number = [this] { return versions_.NewFileNumber(); }};
      compaction_ = std::make_unique<CompactionJob>(std::move(*picked), std::move(context),
                                                    SnapshotSequences());
      return true;
    }
    if (immutable_.empty()) {
      shed_hidden_ = false;
    }
  }
  return PickBlobWork();
}

}  // namespace kvfs::engine
