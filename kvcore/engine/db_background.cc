// Background work: flush, compaction, blob rewriting, deletion of files, background
// sync. At most one flush and one background turn run at a time.
#include <algorithm>
#include <cassert>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"
#include "kvcore/engine/entry_filter.h"

namespace kvfs::engine {

namespace {
constexpr uint64_t kStepBytes = 2u << 20;  // input of one background turn
constexpr size_t kSpareLogs = 2;
constexpr int64_t kRetryMicros = 500'000;
constexpr int64_t kTidyMicros = 2'000'000;
constexpr int64_t kAgedTidyMicros = 60'000'000;
// What deletes hide is seen to at once; or soon, where it is this much and this share of what is
// needed; or after a while, however little, where it is a larger share.
constexpr uint64_t kHiddenNow = 64u << 20;
constexpr uint64_t kHiddenSoon = 4u << 20;
constexpr uint64_t kHiddenShare = 32;
constexpr uint64_t kAgedShare = 8;
// Below this share of all blob bytes, garbage in files below the ratio is left alone.
constexpr double kTotalGarbageShare = 0.6;
}  // namespace

std::vector<uint64_t> DbImpl::SnapshotSequences() const {
  std::vector<uint64_t> sequences(snapshots_.begin(), snapshots_.end());
  sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
  return sequences;
}

bool DbImpl::Busy() const { return flushing_ || turning_ || work_wanted_ || !immutable_.empty(); }

void DbImpl::Schedule() {
  if (options_.read_only || failed_.load(std::memory_order_acquire) || retry_armed_) {
    return;
  }
  if (!flushing_ && (!immutable_.empty() || blobs_.HasFull() || blobs_.WantsNext())) {
    flushing_ = true;
    tasks_.Post(env::Priority::kFlush, [this] { FlushTask(); });
  }
  if (!turning_ && work_wanted_) {
    turning_ = true;
    tasks_.Post(env::Priority::kBackground, [this] { BackgroundTurn(); });
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
  waiters_.WakeAll();
  tasks_.PostAfter(kRetryMicros, env::Priority::kFlush, [this] {
    const std::lock_guard relock(mutex_);
    retry_armed_ = false;
    work_wanted_ = true;
    Schedule();
  });
}

// ---- flush -----------------------------------------------------------------

void DbImpl::FlushTask() {
  Status status;
  if (blobs_.HasFull()) {
    status = blobs_.FinishFull();
  }
  std::shared_ptr<MemLog> memlog;
  {
    const std::lock_guard lock(mutex_);
    if (!immutable_.empty()) {
      memlog = immutable_.front();
    }
  }
  if (status.ok() && memlog != nullptr) {
    status = FlushOldest(memlog);
  }
  if (status.ok() && blobs_.WantsNext()) {
    const Status prepared = blobs_.PrepareNext();
    if (prepared.code() != Code::kNoSpace) {  // then the put that needs it will see
      status = prepared;
    }
  }
  bool retry = false;
  HandleBackgroundStatus(status, &retry);
  if (retry) {
    RetryLater();
  }
  const std::lock_guard lock(mutex_);
  flushing_ = false;
  work_wanted_ = true;
  waiters_.WakeAll();
  Schedule();
}

// Writes the memtable as a table of level 0. Large inline values move into blob files on the way.
Status DbImpl::FlushOldest(const std::shared_ptr<MemLog>& memlog) {
  std::vector<uint64_t> snapshots;
  {
    const std::lock_guard lock(mutex_);
    snapshots = SnapshotSequences();
  }
  EntryFilter filter(std::move(snapshots));
  VersionEdit edit;
  std::vector<BlobPointer> settled;  // leave the account of unflushed records
  std::vector<BlobPointer> moved;    // put by this flush
  std::unique_ptr<TableOutput> output;
  const auto forget_moved = [&] {
    for (const BlobPointer& pointer : moved) {
      blobs_.Forget(pointer);
    }
  };
  const auto build = [&]() -> Status {
    const auto input = memlog->memtable->NewIterator();
    for (input->SeekToFirst(); input->Valid(); input->Next()) {
      if (tasks_.Closing()) {
        return Status::Unavailable("closing");
      }
      const ByteView key = input->key();
      const bool keep = filter.Keep(key, [](ByteView) { return false; });
      BlobPointer pointer;
      Bytes encoded;
      Bytes blob_key;
      bool is_pointer = TypeOf(key) == EntryType::kBlobPointer;
      if (is_pointer) {
        ByteView in = input->value();
        if (!DecodeBlobPointer(&in, &pointer)) {
          return Status::Corruption("bad blob pointer under " + DescribeInternalKey(key));
        }
        settled.push_back(pointer);
      }
      if (!keep) {
        continue;
      }
      if (!is_pointer && input->value().size() >= options_.blob_threshold_bytes) {
        KVFS_ASSIGN_OR_RETURN(pointer, blobs_.Put(input->value()));
        moved.push_back(pointer);
        settled.push_back(pointer);
        EncodeBlobPointer(pointer, &encoded);
        AppendInternalKey(UserKey(key), Sequence(key), EntryType::kBlobPointer, &blob_key);
        is_pointer = true;
      }
      if (is_pointer) {
        BlobChange& change = edit.blob_changes[pointer.file];
        change.added.Insert(pointer.ordinal);
        change.added_bytes += pointer.stored_size;
      }
      if (output == nullptr) {
        KVFS_ASSIGN_OR_RETURN(output, TableOutput::Create(env_.files, directory_, options_,
                                                          versions_.NewFileNumber()));
      }
      KVFS_RETURN_IF_ERROR(output->Add(blob_key.empty() ? key : ByteView(blob_key),
                                       encoded.empty() ? input->value() : ByteView(encoded)));
    }
    KVFS_RETURN_IF_ERROR(input->status());
    if (output != nullptr) {
      KVFS_ASSIGN_OR_RETURN(TableMeta meta, output->Finish());
      disk_bytes_.fetch_add(meta.file_bytes, std::memory_order_relaxed);
      space_.NoteWritten(meta.file_bytes);
      edit.added_tables.push_back({0, std::move(meta)});
    }
    std::vector<uint64_t> files;
    for (const auto& [logical, change] : edit.blob_changes) {
      files.push_back(logical);
    }
    KVFS_RETURN_IF_ERROR(blobs_.SyncFiles(files));
    return SyncDirectory(env_.files, directory_);
  };
  const Status built = build();
  if (!built.ok()) {
    forget_moved();
    return tasks_.Closing() && built.code() == Code::kUnavailable ? Status::Ok() : built;
  }
  edit.last_sequence = memlog->last_sequence;
  edit.log_number = memlog->next_log_number;
  const Status applied = versions_.Apply(std::move(edit), [&] {
    for (const BlobPointer& pointer : settled) {
      BlobState& state = versions_.blobs()[pointer.file];
      if (state.unflushed.Erase(pointer.ordinal)) {
        state.unflushed_bytes -= pointer.stored_size;
      }
    }
    assert(immutable_.front() == memlog);
    immutable_.pop_front();
    RetireLog(memlog);
  });
  if (!applied.ok()) {
    forget_moved();
    return applied;
  }
  sync_.Advance(memlog->last_sequence);
  return Status::Ok();
}

// A log whose writes are all in tables: kept to be written again, or deleted.
void DbImpl::RetireLog(const std::shared_ptr<MemLog>& memlog) {
  if (memlog->log == nullptr) {
    return;
  }
  const uint64_t number = memlog->log->log_number();
  const uint64_t size = memlog->log->FileBytes();
  if (spare_logs_.size() < kSpareLogs && size <= 2 * options_.memtable_bytes) {
    spare_logs_.emplace_back(number, size);
  } else {
    versions_.obsolete_files()->Add({FileKind::kLog, number});
  }
}

Status DbImpl::FlushMemtable() {
  const std::lock_guard write_lock(write_mutex_);
  if (active_->memtable->EntryCount() == 0) {
    return Status::Ok();
  }
  KVFS_RETURN_IF_ERROR(Rotate());
  const std::lock_guard lock(mutex_);
  Schedule();
  return Status::Ok();
}

// ---- compaction and blob rewriting -----------------------------------------

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
      disk_bytes_.fetch_add(rewrite_->bytes_written(), std::memory_order_relaxed);
      space_.NoteWritten(rewrite_->bytes_written());
      KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
      const auto rewrite = std::move(rewrite_);
      rewrite->Release();
      KVFS_RETURN_IF_ERROR(versions_.Apply(rewrite->edit()));
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
  std::vector<uint64_t> empty;
  uint64_t victim = 0;
  OrdinalSet needed;
  std::shared_ptr<const Version> version;
  {
    const std::lock_guard lock(mutex_);
    work_wanted_ = false;
    version = versions_.current();
    CompactionNeeds needs;
    needs.shed_hidden = shed_hidden_ || version->HiddenBytes() >=
                                            std::max(kHiddenSoon, NeededBlobBytes() / kHiddenShare);
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
    const double least = compact_all_ > 0 ? 0.05 : options_.blob_garbage_ratio;
    if (!(worst >= least || (much && worst > 0.05))) {
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

// ---- deletes ---------------------------------------------------------------

uint64_t DbImpl::HiddenBytes() const {
  uint64_t hidden = active_->hidden_bytes.load(std::memory_order_relaxed);
  for (const auto& memlog : immutable_) {
    hidden += memlog->hidden_bytes.load(std::memory_order_relaxed);
  }
  return hidden + versions_.current()->HiddenBytes();
}

uint64_t DbImpl::NeededBlobBytes() const {
  uint64_t bytes = 0;
  for (const auto& [logical, state] : versions_.blobs()) {
    bytes += state.live_bytes + state.unflushed_bytes;
  }
  return bytes;
}

// After a delete that hides a blob: look in a while whether it is time to see to that.
void DbImpl::ArmTidy() {
  if (!tidy_posted_ && active_->hidden_bytes.load(std::memory_order_relaxed) >= kHiddenNow) {
    tidy_posted_ = true;
    tasks_.Post(env::Priority::kBackground, [this] { Tidy(false); });
  }
  if (!tidy_armed_) {
    tidy_armed_ = true;
    tasks_.PostAfter(kTidyMicros, env::Priority::kBackground, [this] {
      {
        const std::lock_guard lock(mutex_);
        tidy_armed_ = false;
      }
      Tidy(false);
    });
  }
  if (!tidy_aging_) {
    tidy_aging_ = true;
    tasks_.PostAfter(kAgedTidyMicros, env::Priority::kBackground, [this] {
      {
        const std::lock_guard lock(mutex_);
        tidy_aging_ = false;
      }
      Tidy(true);
    });
  }
}

// Deletes reach the pointers they hide only by compaction, which they would wait long for: a
// delete is small, a blob is not.
void DbImpl::Tidy(bool aged) {
  bool flush = false;
  {
    const std::lock_guard lock(mutex_);
    tidy_posted_ = false;
    const uint64_t needed = NeededBlobBytes();
    const uint64_t hidden = HiddenBytes();
    const bool soon = hidden >= std::max(kHiddenSoon, needed / kHiddenShare);
    const bool late = aged && hidden > 0 && hidden >= needed / kAgedShare;
    if (!soon && !late) {
      return;
    }
    shed_hidden_ = shed_hidden_ || late;
    flush = active_->hidden_bytes.load(std::memory_order_relaxed) > 0;
    work_wanted_ = true;
    Schedule();
  }
  if (flush) {
    const Status flushed = FlushMemtable();
    if (!flushed.ok() && flushed.code() != Code::kNoSpace) {
      (void)SetBackgroundError(flushed);
    }
  }
}

// ---- the rest --------------------------------------------------------------

void DbImpl::DeleteObsolete() {
  for (const FileName& file : versions_.obsolete_files()->Take()) {
    if (file.kind == FileKind::kTable) {
      tables_.Evict(file.number);
    } else if (file.kind == FileKind::kBlob) {
      blob_files_.Evict(file.number);
    }
    // One that cannot be deleted now is a leftover, and goes when the store is next opened.
    (void)env_.files->Unlink(Path(file.kind, file.number));
  }
}

void DbImpl::ArmBackgroundSync() {
  tasks_.PostAfter(options_.background_sync_micros, env::Priority::kBackground,
                   [this] { BackgroundSync(); });
}

void DbImpl::BackgroundSync() {
  if (failed_.load(std::memory_order_acquire)) {
    return;
  }
  BackgroundSyncRound();
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
