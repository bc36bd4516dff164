// Compaction: several jobs at a time, each a chain of background tasks of bounded work.
#include <algorithm>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {

namespace {
// Input of one task: a share of a table, and not so much that a flush would wait for it.
constexpr uint64_t kStepsPerTable = 8;
constexpr uint64_t kMaxStepBytes = 1u << 20;
// Level 0 holds up writers, so it gets on faster than the others by this factor.
constexpr uint64_t kLevel0Haste = 4;
}  // namespace

// One runs at a time, so only others' jobs that end change what is under way meanwhile.
void DbImpl::PickTask() {
  while (StartCompaction()) {
  }
  const std::lock_guard lock(mutex_);
  if (compactions_.empty() && immutable_.empty()) {
    shed_hidden_ = false;
  }
  picking_ = false;
  if (!collecting_) {
    collecting_ = true;
    tasks_.Post(env::Priority::kBackground, [this] { CollectTask(); });
  }
  waiters_.WakeAll();
  Schedule();
}

bool DbImpl::StartCompaction() {
  std::shared_ptr<const Version> version;
  Compactions under_way;
  CompactionNeeds needs;
  {
    const std::lock_guard lock(mutex_);
    work_wanted_ = false;
    // Each needs room for its outputs before it frees any.
    const size_t most = space_short_ ? 1 : options_.compactions;
    if (compactions_.size() >= most || failed_.load(std::memory_order_acquire) || retry_armed_) {
      return false;
    }
    version = versions_.current();
    for (const auto& job : compactions_) {
      under_way.push_back(job->compaction());
    }
    needs.shed_hidden = shed_hidden_ || HidesMuch(version->HiddenBytes());
    needs.everything = compact_all_ > 0;
    needs.oldest_visible = snapshots_.empty() ? kMaxSequence : *snapshots_.begin();
  }
  auto picked = PickCompaction(version, options_, needs, under_way, &cursors_);
  if (!picked) {
    return false;
  }
  CompactionJob::Context context{.files = env_.files,
                                 .directory = directory_,
                                 .options = options_,
                                 .tables = &tables_,
                                 .started_micros = env_.clock->MonotonicMicros(),
                                 .new_file_number = [this] { return versions_.NewFileNumber(); }};
  const std::lock_guard lock(mutex_);
  compactions_.push_back(
      std::make_unique<CompactionJob>(std::make_shared<const Compaction>(std::move(*picked)),
                                      std::move(context), SnapshotSequences()));
  PostCompaction(compactions_.back().get());
  return true;
}

void DbImpl::PostCompaction(CompactionJob* job) {
  tasks_.Post(env::Priority::kBackground, [this, job] { CompactionTask(job); });
}

void DbImpl::CompactionTask(CompactionJob* job) {
  const uint64_t step = std::min(options_.table_bytes / kStepsPerTable, kMaxStepBytes);
  const auto done = job->Step(job->compaction()->level == 0 ? kLevel0Haste * step : step);
  if (done.ok() && !*done && !failed_.load(std::memory_order_acquire)) {
    PostCompaction(job);
    return;
  }
  Status status = done.status();
  if (status.ok() && *done) {
    status = InstallCompaction(job);
  }
  bool retry = false;
  HandleBackgroundStatus(status, &retry);
  std::unique_ptr<CompactionJob> ended;  // after the mutex: it may have files to remove
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(compactions_.begin(), compactions_.end(),
                                 [job](const auto& other) { return other.get() == job; });
    ended = std::move(*at);
    compactions_.erase(at);
  }
  ended.reset();
  if (retry) {
    RetryLater();
  }
  const std::lock_guard lock(mutex_);
  work_wanted_ = true;
  waiters_.WakeAll();
  Schedule();
}

Status DbImpl::InstallCompaction(CompactionJob* job) {
  disk_bytes_.fetch_add(job->bytes_written(), std::memory_order_relaxed);
  space_.NoteWritten(job->bytes_written());
  KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
  job->Release();
  const Compaction& compaction = *job->compaction();
  if (!compaction.trivial_move) {
    compaction_reads_.Note(TableBytes(compaction.upper) + TableBytes(compaction.lower));
    compaction_writes_.Note(job->bytes_written());
  }
  const int64_t took = env_.clock->MonotonicMicros() - job->started_micros();
  return versions_.Apply(job->edit(), [&] {
    if (compaction.level == 0 && !compaction.trivial_move) {
      level0_rate_.Note(TableBytes(compaction.upper), took);
    }
    space_short_ = false;
    waiters_.WakeAll();
  });
}

}  // namespace kvfs::engine
