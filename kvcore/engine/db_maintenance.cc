// Checkpoint, full compaction, verification and figures.
#include <algorithm>
#include <map>
#include <set>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/log_reader.h"

namespace kvfs::engine {

uint64_t Stats::DiskBytes() const {
  uint64_t bytes = log_bytes + blob_bytes + other_bytes;
  for (const LevelStats& level : levels) {
    bytes += level.bytes;
  }
  return bytes;
}

double Stats::WriteAmplification() const {
  return user_bytes_written == 0
             ? 0
             : static_cast<double>(disk_bytes_written) / static_cast<double>(user_bytes_written);
}

double Stats::SpaceAmplification() const {
  uint64_t held = blob_bytes;
  uint64_t deepest = 0;
  for (const LevelStats& level : levels) {
    held += level.bytes;
    deepest = level.bytes > 0 ? level.bytes : deepest;
  }
  const uint64_t needed = deepest + needed_blob_bytes;
  return needed == 0 ? 0 : static_cast<double>(held) / static_cast<double>(needed);
}

uint64_t DbImpl::LogBytes() const {
  uint64_t bytes = 0;
  for (const auto& memlog : immutable_) {
    bytes += memlog->log != nullptr ? memlog->log->FileBytes() : 0;
  }
  bytes += active_->log != nullptr ? active_->log->FileBytes() : 0;
  for (const auto& [number, size] : spare_logs_) {
    bytes += size;
  }
  return bytes;
}

uint64_t DbImpl::OwnBytes() const {
  return versions_.FileBytes() + deleter_.WaitingBytes() + LogBytes() + versions_.manifest_bytes();
}

uint64_t DbImpl::MemtableBytes() const {
  uint64_t bytes = active_->memtable->ApproximateBytes();
  for (const auto& memlog : immutable_) {
    bytes += memlog->memtable->ApproximateBytes();
  }
  return bytes;
}

Stats DbImpl::GetStats() const {
  Stats stats;
  const uint64_t growing = blobs_.GrowingBytes();
  const CacheStats cache = block_cache_.GetStats();
  const std::lock_guard lock(mutex_);
  const Version& version = *versions_.current();
  for (int level = 0; level < kLevels; ++level) {
    stats.levels.push_back({.tables = version.levels[static_cast<size_t>(level)].size(),
                            .bytes = version.LevelBytes(level)});
  }
  stats.memtable_bytes = MemtableBytes();
  stats.log_bytes = LogBytes();
  stats.blob_bytes = growing;
  for (const auto& [logical, state] : versions_.blobs()) {
    ++stats.blob_files;
    stats.blob_bytes += state.meta.file_bytes;
    stats.blob_garbage_bytes += state.meta.Finished() ? state.GarbageBytes() : 0;
    stats.needed_blob_bytes += state.live_bytes + state.unflushed_bytes;
    stats.memory_bytes += state.live.MemoryBytes() + state.unflushed.MemoryBytes();
  }
  stats.other_bytes = versions_.manifest_bytes();
  stats.user_bytes_written = user_bytes_.load();
  stats.disk_bytes_written = disk_bytes_.load() + blobs_.bytes_written();
  stats.syncs = syncs_.load();
  stats.cache_bytes = cache.bytes;
  stats.cache_hits = cache.hits;
  stats.cache_misses = cache.misses;
  stats.memory_bytes += stats.memtable_bytes + arena_pool_->MemoryBytes() + cache.bytes;
  stats.pending_compaction_bytes = PendingCompactionBytes(version, options_);
  stats.waiting_deletion_bytes = deleter_.WaitingBytes();
  stats.flushes = flushes_.count();
  stats.flushed_bytes = flushes_.sum();
  stats.compactions = compaction_writes_.count();
  stats.compaction_read_bytes = compaction_reads_.sum();
  stats.compaction_written_bytes = compaction_writes_.sum();
  stats.blob_rewrites = blob_rewrites_.count();
  stats.blob_rewritten_bytes = blob_rewrites_.sum();
  stats.delays = delays_.count();
  stats.delay_micros = delays_.sum();
  stats.stalls = stalls_.count();
  stats.stall_micros = stalls_.sum();
  stats.running_compactions = compactions_.size();
  stats.background_error = background_error_;
  return stats;
}

Result<env::SpaceInfo> DbImpl::GetSpace() const {
  const uint64_t growing = blobs_.GrowingBytes();
  uint64_t own = 0;
  uint64_t promised = 0;
  {
    const std::lock_guard lock(mutex_);
    own = OwnBytes() + growing;
    promised = MemtableBytes();
  }
  return space_.Space(own, promised);
}

Task<Status> DbImpl::CompactAll() {
  if (options_.read_only) {
    co_return Status::ReadOnly("the store is open read-only");
  }
  KVFS_CO_RETURN_IF_ERROR(FlushMemtable());
  {
    const std::lock_guard lock(mutex_);
    ++compact_all_;
    work_wanted_ = true;
  }
  Status status;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      status = background_error_;
      if (status.ok() && retry_armed_) {
        status = Status::NoSpace("the disk is full");
      }
      if (!status.ok() || !Busy()) {
        break;
      }
      Schedule();
    }
    co_await waiters_.Wait(&mutex_,
                           [this] { return !background_error_.ok() || retry_armed_ || !Busy(); });
  }
  const std::lock_guard lock(mutex_);
  --compact_all_;
  co_return status;
}

// The accounts must say of each blob file what the tables' pointers say together.
Task<Status> DbImpl::Verify() {
  std::shared_ptr<const ReadView> view;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> accounts;  // pointers and bytes, by file
  std::map<uint64_t, BlobState> blobs;
  std::vector<uint64_t> logs;
  {
    const std::lock_guard lock(mutex_);
    view = view_;
    blobs = versions_.blobs();
    for (const auto& [logical, state] : blobs) {
      accounts[logical] = {state.live.Count(), state.live_bytes};
    }
    for (const auto& memlog : immutable_) {
      logs.push_back(memlog->log->log_number());
    }
    if (active_->log != nullptr) {
      logs.push_back(active_->log->log_number());
    }
  }
  KVFS_CO_RETURN_IF_ERROR(CheckDirectory());
  KVFS_CO_RETURN_IF_ERROR(VerifyManifest(env_.files, directory_));
  for (const uint64_t number : logs) {
    // A log may have been retired meanwhile: its writes are in tables then.
    const auto summary = ScanLog(env_.files, Path(FileKind::kLog, number), number);
    if (!summary.ok() && summary.error().code() != Code::kNotFound) {
      co_return summary.error();
    }
    co_await Yield(env_.scheduler);
  }
  for (const TableList& level : view->version->levels) {
    for (const auto& file : level) {
      KVFS_CO_ASSIGN_OR_RETURN(const auto table, tables_.Get(file->meta.number));
      KVFS_CO_RETURN_IF_ERROR(table->Verify());
      for (const BlobReference& reference : table->properties().blobs) {
        auto& [count, bytes] = accounts[reference.file];
        count -= reference.count;
        bytes -= reference.bytes;
      }
      co_await Yield(env_.scheduler);
    }
  }
  for (const auto& [logical, left] : accounts) {
    if (left.first != 0 || left.second != 0) {
      co_return Status::Corruption(Path(FileKind::kManifest, versions_.manifest_number()) +
                                   ": the account of blob file " + std::to_string(logical) +
                                   " does not agree with the tables");
    }
  }
  for (const auto& [logical, handle] : *view->version->blobs) {
    KVFS_CO_ASSIGN_OR_RETURN(const auto blob, handle->Open(&blob_files_));
    const BlobState& state = blobs[logical];
    if (state.meta.Finished()) {
      KVFS_CO_RETURN_IF_ERROR(blob->VerifyAll(true));
    }
    // Every record that is needed is there. A file whose writer died, in a store that is open for
    // reading only, may also hold records that are not needed, and not whole.
    for (const OrdinalSet* needed : {&state.live, &state.unflushed}) {
      for (const uint32_t ordinal : needed->Ordinals()) {
        if (!state.meta.Finished() || !blob->index().Find(ordinal)) {
          KVFS_CO_RETURN_IF_ERROR(blob->ReadRecord(ordinal).status());
        }
      }
    }
    co_await Yield(env_.scheduler);
  }
  co_return Status::Ok();
}

// ---- checkpoint ------------------------------------------------------------

Task<Status> DbImpl::Checkpoint(const std::string& directory_reference) {
  const std::string directory = directory_reference;
  if (options_.read_only) {
    co_return Status::ReadOnly("the store is open read-only");
  }
  KVFS_CO_ASSIGN_OR_RETURN(const bool exists, env_.files->Exists(directory));
  if (exists) {
    co_return Status::AlreadyExists(directory + " exists");
  }
  const uint64_t position = LastPosition();
  KVFS_CO_RETURN_IF_ERROR(FlushMemtable());
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      KVFS_CO_RETURN_IF_ERROR(background_error_);
      if (retry_armed_) {
        co_return Status::NoSpace("the disk is full");
      }
      if (versions_.last_sequence() >= position) {
        break;
      }
      Schedule();
    }
    co_await waiters_.Wait(&mutex_, [this, position] {
      return !background_error_.ok() || retry_armed_ || versions_.last_sequence() >= position;
    });
  }
  // Only finished blob files can be shared with a copy.
  VersionEdit state;
  std::shared_ptr<const Version> version;
  while (true) {
    blobs_.CloseCurrent();
    KVFS_CO_RETURN_IF_ERROR(blobs_.FinishFull());
    {
      const std::lock_guard lock(mutex_);
      state = versions_.Snapshot();
      version = versions_.current();
    }
    std::erase_if(state.blob_files, [&state](const BlobFileMeta& meta) {
      return !meta.Finished() && !state.blob_changes.contains(meta.logical);
    });
    if (std::all_of(state.blob_files.begin(), state.blob_files.end(),
                    [](const BlobFileMeta& meta) { return meta.Finished(); })) {
      break;
    }
    co_await Yield(env_.scheduler);  // a put was under way
  }
  state.log_number = 0;  // it has no logs
  const Status copied = CopyFiles(directory, state);
  if (!copied.ok()) {
    RemoveCopy(directory);
  }
  co_return copied;
}

Status DbImpl::CopyFiles(const std::string& directory, const VersionEdit& state) {
  KVFS_RETURN_IF_ERROR(env_.files->CreateDirectory(directory));
  const auto link = [&](FileKind kind, uint64_t number) {
    return env_.files->Link(Path(kind, number), FilePath(directory, kind, number));
  };
  for (const auto& added : state.added_tables) {
    KVFS_RETURN_IF_ERROR(link(FileKind::kTable, added.meta.number));
  }
  for (const BlobFileMeta& meta : state.blob_files) {
    KVFS_RETURN_IF_ERROR(link(FileKind::kBlob, meta.physical));
  }
  VersionEdit copy = state;
  const uint64_t manifest = *copy.next_file_number;
  copy.next_file_number = manifest + 1;
  KVFS_RETURN_IF_ERROR(WriteManifest(env_.files, directory, manifest, copy).status());
  KVFS_RETURN_IF_ERROR(WriteFormat(directory));
  const size_t slash = directory.find_last_of('/');
  return env_.files->SyncDirectory(slash == std::string::npos ? "."
                                   : slash == 0               ? "/"
                                                              : directory.substr(0, slash));
}

// As far as possible; without a FORMAT file nobody takes the rest for a store.
void DbImpl::RemoveCopy(const std::string& directory) {
  const auto names = env_.files->List(directory);
  if (!names.ok()) {
    return;
  }
  for (const std::string& name : *names) {
    (void)env_.files->Unlink(directory + "/" + name);
  }
  (void)env_.files->RemoveDirectory(directory);
}

}  // namespace kvfs::engine
