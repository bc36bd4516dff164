// Checkpoint, full compaction, verification and figures.
#include <algorithm>
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

uint64_t DbImpl::LogBytes() const {
  uint64_t bytes = 0;
  for (const auto& memlog : immutable_) {
    bytes += memlog->log != nullptr ? memlog->log->Offset() : 0;
  }
  bytes += active_->log != nullptr ? active_->log->Offset() : 0;
  for (const auto& [number, size] : spare_logs_) {
    bytes += size;
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
  stats.memtable_bytes = active_->memtable->ApproximateBytes();
  for (const auto& memlog : immutable_) {
    stats.memtable_bytes += memlog->memtable->ApproximateBytes();
  }
  stats.log_bytes = LogBytes();
  stats.blob_bytes = growing;
  for (const auto& [logical, state] : versions_.blobs()) {
    ++stats.blob_files;
    stats.blob_bytes += state.meta.file_bytes;
    stats.blob_garbage_bytes += state.meta.Finished() ? state.GarbageBytes() : 0;
    stats.memory_bytes += state.live.MemoryBytes() + state.unflushed.MemoryBytes();
  }
  stats.other_bytes = versions_.manifest_bytes();
  stats.user_bytes_written = user_bytes_.load();
  stats.disk_bytes_written = disk_bytes_.load() + blobs_.bytes_written();
  stats.syncs = syncs_.load();
  stats.cache_bytes = cache.bytes;
  stats.cache_hits = cache.hits;
  stats.cache_misses = cache.misses;
  stats.memory_bytes += stats.memtable_bytes + cache.bytes;
  stats.pending_compaction_bytes = PendingCompactionBytes(version, options_);
  stats.background_error = background_error_;
  return stats;
}

Result<env::SpaceInfo> DbImpl::GetSpace() const {
  const uint64_t growing = blobs_.GrowingBytes();
  uint64_t own = 0;
  uint64_t promised = 0;
  {
    const std::lock_guard lock(mutex_);
    own = versions_.FileBytes() + growing + LogBytes() + versions_.manifest_bytes();
    promised = active_->memtable->ApproximateBytes();
    for (const auto& memlog : immutable_) {
      promised += memlog->memtable->ApproximateBytes();
    }
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

Task<Status> DbImpl::Verify() {
  std::shared_ptr<const ReadView> view;
  uint64_t sequence = 0;
  PinView({}, &view, &sequence);
  for (const TableList& level : view->version->levels) {
    for (const auto& file : level) {
      KVFS_CO_ASSIGN_OR_RETURN(const auto table, tables_.Get(file->meta.number));
      KVFS_CO_RETURN_IF_ERROR(table->Verify());
    }
  }
  for (const auto& [logical, handle] : *view->version->blobs) {
    KVFS_CO_ASSIGN_OR_RETURN(const auto blob, handle->Open(&blob_files_));
    KVFS_CO_RETURN_IF_ERROR(blob->VerifyAll(blob->Finished()));
  }
  co_return Status::Ok();
}

Task<Status> DbImpl::Checkpoint(const std::string& directory) {
  co_return Status::InvalidArgument(directory + ": not yet");
}

}  // namespace kvfs::engine
