// Recovery: the replay of the logs, blob files whose writer died, what a crash left over.
#include <algorithm>
#include <limits>
#include <set>

#include "kvcore/engine/batch_reader.h"
#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"
#include "kvcore/engine/log_reader.h"

namespace kvfs::engine {

Status DbImpl::ReplayLogs() {
  last_sequence_.store(versions_.last_sequence());
  active_ = std::make_shared<MemLog>();
  active_->memtable = std::make_shared<MemTable>(arena_pool_);
  KVFS_ASSIGN_OR_RETURN(const auto names, env_.files->List(directory_));
  std::vector<uint64_t> logs;
  for (const std::string& name : names) {
    const auto file = ParseFileName(name);
    if (file && file->kind == FileKind::kLog && file->number >= versions_.log_number()) {
      logs.push_back(file->number);
    }
  }
  std::sort(logs.begin(), logs.end());
  if (versions_.log_number() != 0 && (logs.empty() || logs.front() != versions_.log_number())) {
    return Status::Corruption(Path(FileKind::kLog, versions_.log_number()) + " is missing");
  }
  bool ended = false;  // after a gap, whatever follows is not part of the prefix
  for (const uint64_t number : logs) {
    const Status replayed = ReplayLog(number, &ended);
    if (!replayed.ok()) {
      if (!(options_.read_only && replayed.code() == Code::kCorruption)) {
        return replayed;
      }
      (void)SetBackgroundError(replayed);  // a reader may want what comes before; it is told
      break;
    }
  }
  if (LastPosition() < versions_.durable_sequence() && !failed_.load()) {
    const Status lost = Status::Corruption(
        directory_ + ": its logs end at sequence " + std::to_string(LastPosition()) +
        ", but everything up to " + std::to_string(versions_.durable_sequence()) +
        " was durable when the store was closed: a log has lost its end");
    if (!options_.read_only) {
      return lost;
    }
    (void)SetBackgroundError(lost);
  }
  const std::lock_guard lock(mutex_);
  PublishView();
  return Status::Ok();
}

Status DbImpl::ReplayLog(uint64_t number, bool* ended) {
  const std::string path = Path(FileKind::kLog, number);
  auto scanned = ScanLog(env_.files, path, number);
  if (!scanned.ok() && options_.read_only && scanned.error().code() == Code::kCorruption) {
    scanned = LogSummary{};  // what precedes the damage is wanted; its pointers are verified
  }
  KVFS_ASSIGN_OR_RETURN(const LogSummary summary, std::move(scanned));
  if (*ended) {
    if (summary.synced_up_to > 0) {
      return Status::Corruption(path + " at 0: was made durable, but what precedes it is missing");
    }
    return Status::Ok();
  }
  KVFS_ASSIGN_OR_RETURN(auto file, env_.files->OpenRandomAccess(path));
  LogReader reader(std::move(file), path, number);
  Bytes record;
  uint64_t offset = 0;
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const bool more, reader.ReadRecord(&record, &offset));
    if (!more) {
      // Torn or not: if writes are missing at its end, the next log begins after a gap. A write
      // that failed just before the logs were switched leaves a torn end and no gap.
      return Status::Ok();
    }
    if (record.empty()) {
      continue;  // only carries a promise
    }
    const std::string place = path + " at " + std::to_string(offset);
    const bool promised = offset < summary.synced_up_to;
    LogPayload payload;
    if (const Status decoded = DecodeLogPayload(record, &payload); !decoded.ok()) {
      return decoded.Annotate(place);
    }
    const uint64_t last = payload.first_sequence + payload.count - 1;
    if (last <= versions_.last_sequence()) {
      continue;  // in tables already
    }
    if (payload.first_sequence != LastPosition() + 1) {
      if (promised) {
        return Status::Corruption(place + ": sequence " + std::to_string(payload.first_sequence) +
                                  " follows " + std::to_string(LastPosition()));
      }
      *ended = true;
      return Status::Ok();
    }
    if (!promised) {
      BatchReader entries(payload.batch);
      while (entries.Next()) {
        if (entries.entry().type != EntryType::kBlobPointer) {
          continue;
        }
        const BlobPointer& pointer = entries.entry().pointer;
        const auto blob = versions_.current()->OpenBlob(&blob_files_, pointer.file);
        if (const Status whole = blob.ok() ? (*blob)->Verify(pointer) : blob.error(); !whole.ok()) {
          if (whole.code() != Code::kCorruption) {
            return whole;
          }
          *ended = true;
          return Status::Ok();
        }
      }
    }
    KVFS_RETURN_IF_ERROR(ApplyRecovered(payload));
    active_->next_log_number = number;
  }
}

Status DbImpl::ApplyRecovered(const LogPayload& payload) {
  BatchReader entries(payload.batch);
  uint64_t sequence = payload.first_sequence;
  while (entries.Next()) {
    const BatchReader::Entry& entry = entries.entry();
    if (entry.type == EntryType::kBlobPointer) {
      const std::lock_guard lock(mutex_);
      const auto state = versions_.blobs().find(entry.pointer.file);
      if (state == versions_.blobs().end() || entry.pointer.ordinal > OrdinalSet::kMaxOrdinal) {
        return Status::Corruption("a pointer to blob file " + std::to_string(entry.pointer.file) +
                                  ", which does not exist");
      }
      if (state->second.unflushed.Insert(entry.pointer.ordinal)) {
        state->second.unflushed_bytes += entry.pointer.stored_size;
      }
    }
    if (entry.type == EntryType::kDelete) {
      active_->hidden_bytes.fetch_add(entry.has_pointer ? entry.pointer.stored_size : 0);
    }
    active_->memtable->Add(sequence++, entry.type, entry.key, entry.value);
  }
  KVFS_RETURN_IF_ERROR(entries.status());
  last_sequence_.store(sequence - 1);
  return Status::Ok();
}

// What was recovered goes into a table and the old logs out of use before the first new write, so
// that nothing that lay beyond the recovered prefix can ever come back.
Status DbImpl::FinishRecovery() {
  if (!versions_.HasManifest()) {
    KVFS_RETURN_IF_ERROR(versions_.StartManifest());
  }
  KVFS_RETURN_IF_ERROR(FinishBlobFiles());
  {
    const std::lock_guard write_lock(write_mutex_);
    std::shared_ptr<MemLog> recovered = active_;
    KVFS_ASSIGN_OR_RETURN(auto log, OpenLog());
    const uint64_t number = log->log_number();
    KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
    auto next = std::make_shared<MemLog>();
    next->memtable = std::make_shared<MemTable>(arena_pool_);
    next->log = std::move(log);
    const std::lock_guard lock(mutex_);
    recovered->last_sequence = LastPosition();
    recovered->next_log_number = number;
    active_ = std::move(next);
    immutable_.push_back(std::move(recovered));
    PublishView();
  }
  const auto recovered = immutable_.front();
  KVFS_RETURN_IF_ERROR(FlushOldest(recovered));
  return Status::Ok();
}

// Files whose writer died. Their needed records move into new files: if a sync failed before the
// writer died, what can be read now may never have reached the disk, and only writing it again
// brings it there.
Status DbImpl::FinishBlobFiles() {
  std::vector<BlobState> unfinished;
  for (const auto& [logical, state] : versions_.blobs()) {
    if (!state.meta.Finished()) {
      unfinished.push_back(state);
    }
  }
  if (unfinished.empty()) {
    return Status::Ok();
  }
  VersionEdit edit;
  for (BlobState& state : unfinished) {
    for (const uint32_t ordinal : state.unflushed.Ordinals()) {
      state.live.Insert(ordinal);
    }
    if (state.live.Empty()) {
      edit.removed_blob_files.push_back(state.meta.logical);
      continue;
    }
    auto meta = CopyBlobFile(state);
    if (!meta.ok() && meta.error().code() == Code::kCorruption) {
      meta = FinishInPlace(state);  // so that everything but what is damaged can be read
    }
    KVFS_RETURN_IF_ERROR(meta.status());
    edit.blob_files.push_back(*meta);
  }
  KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
  return versions_.Apply(std::move(edit));
}

Result<BlobFileMeta> DbImpl::CopyBlobFile(const BlobState& state) {
  KVFS_ASSIGN_OR_RETURN(auto from, blob_files_.Get(state.meta.physical));
  KVFS_ASSIGN_OR_RETURN(
      const auto rewrite,
      BlobRewrite::Start(env_, directory_, std::move(from), state.live, versions_.NewFileNumber()));
  KVFS_RETURN_IF_ERROR(rewrite->Step(std::numeric_limits<uint64_t>::max()).status());
  rewrite->Release();
  return rewrite->edit().blob_files.front();
}

Result<BlobFileMeta> DbImpl::FinishInPlace(const BlobState& state) {
  BlobFileMeta meta = state.meta;
  blob_files_.Evict(meta.physical);
  KVFS_RETURN_IF_ERROR(FinishBlobFile(
      env_.files, Path(FileKind::kBlob, meta.physical), meta.physical, [&state](uint32_t ordinal) {
        return state.live.Contains(ordinal) ? BlobUse::kUnsure : BlobUse::kNone;
      }));
  KVFS_ASSIGN_OR_RETURN(const auto file, blob_files_.Get(meta.physical));
  // What the index leaves out is garbage, and counts as such.
  meta.record_bytes = file->RecordsEnd() - kBlobFileHeaderBytes;
  meta.file_bytes = file->FileSize();
  return meta;
}

// Before it is recovered the store still needs its logs and its old manifest.
Status DbImpl::RemoveLeftovers(bool is_recovered) {
  KVFS_ASSIGN_OR_RETURN(const auto names, env_.files->List(directory_));
  std::set<uint64_t> used;
  {
    const std::lock_guard lock(mutex_);
    for (const TableList& level : versions_.current()->levels) {
      for (const auto& table : level) {
        used.insert(table->meta.number);
      }
    }
    for (const auto& [logical, state] : versions_.blobs()) {
      used.insert(state.meta.physical);
    }
    if (is_recovered) {
      used.insert(versions_.manifest_number());
      used.insert(active_->log->log_number());
      spare_logs_.clear();
    }
  }
  versions_.obsolete_files()->Take();
  for (const std::string& name : names) {
    const auto file = ParseFileName(name);
    if (!file) {
      continue;
    }
    const bool is_content = file->kind == FileKind::kTable || file->kind == FileKind::kBlob;
    const bool is_record = file->kind == FileKind::kLog || file->kind == FileKind::kManifest;
    const bool numbered = is_content || (is_record && is_recovered);
    const bool ours = name == "CURRENT.tmp" || name == "FORMAT.tmp";
    if ((numbered && !used.contains(file->number)) || ours) {
      KVFS_RETURN_IF_ERROR(env_.files->Unlink(directory_ + "/" + name));
    }
  }
  return Status::Ok();
}

}  // namespace kvfs::engine
