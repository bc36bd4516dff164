// Flush: the oldest immutable memtable becomes a table of level 0. One runs at a time.
#include <cassert>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"
#include "kvcore/engine/entry_filter.h"

namespace kvfs::engine {

namespace {
constexpr size_t kSpareLogs = 2;
}  // namespace

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
  const int64_t started = env_.clock->MonotonicMicros();
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
      flushes_.Note(meta.file_bytes);
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
    space_short_ = false;
    flush_rate_.Note(memlog->memtable->ApproximateBytes(), env_.clock->MonotonicMicros() - started);
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

}  // namespace kvfs::engine
