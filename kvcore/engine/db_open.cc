// Opening a store: whose directory it is, the manifest, the replay of the logs.
#include <algorithm>
#include <cassert>
#include <charconv>
#include <limits>
#include <set>

#include "kvcore/engine/batch_reader.h"
#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"
#include "kvcore/engine/log_reader.h"

namespace kvfs::engine {

namespace {

constexpr std::string_view kFormatPrefix = "kvfs engine format ";
constexpr uint32_t kFormatVersion = 2;
constexpr size_t kMaxOpenFiles = 256;  // of either kind

Status CheckRange(const char* name, uint64_t value, uint64_t low, uint64_t high) {
  if (value < low || value > high) {
    return Status::InvalidArgument(std::string("option ") + name + " is " + std::to_string(value) +
                                   ", must be " + std::to_string(low) + " .. " +
                                   std::to_string(high));
  }
  return Status::Ok();
}

Status CheckOptions(const Options& options) {
  constexpr uint64_t kKiB = 1u << 10;
  constexpr uint64_t kMiB = 1u << 20;
  constexpr uint64_t kGiB = 1u << 30;
  constexpr uint64_t kTiB = kGiB << 10;
  KVFS_RETURN_IF_ERROR(CheckRange("memtable_bytes", options.memtable_bytes, kKiB, kGiB));
  KVFS_RETURN_IF_ERROR(CheckRange("block_cache_bytes", options.block_cache_bytes, 64 * kKiB, kTiB));
  KVFS_RETURN_IF_ERROR(CheckRange("block_bytes", options.block_bytes, 16, kMiB));
  KVFS_RETURN_IF_ERROR(
      CheckRange("block_restart_interval", options.block_restart_interval, 1, 1024));
  KVFS_RETURN_IF_ERROR(CheckRange("bloom_bits_per_key", options.bloom_bits_per_key, 0, 32));
  KVFS_RETURN_IF_ERROR(CheckRange("blob_threshold_bytes", options.blob_threshold_bytes, 64, kGiB));
  KVFS_RETURN_IF_ERROR(CheckRange("blob_file_bytes", options.blob_file_bytes, 64 * kKiB, 4 * kGiB));
  if (!(options.blob_garbage_ratio >= 0.05 && options.blob_garbage_ratio <= 1)) {
    return Status::InvalidArgument("option blob_garbage_ratio must be 0.05 .. 1");
  }
  KVFS_RETURN_IF_ERROR(CheckRange("table_bytes", options.table_bytes, 4 * kKiB, kGiB));
  KVFS_RETURN_IF_ERROR(CheckRange("level0_tables", options.level0_tables, 2, 64));
  KVFS_RETURN_IF_ERROR(CheckRange("level1_bytes", options.level1_bytes, 4 * kKiB, kTiB));
  KVFS_RETURN_IF_ERROR(CheckRange("compactions", options.compactions, 1, 64));
  KVFS_RETURN_IF_ERROR(
      CheckRange("delete_bytes_per_second", options.delete_bytes_per_second, 0, kTiB));
  if (options.background_sync_micros < 0 || options.background_sync_micros > 3'600'000'000) {
    return Status::InvalidArgument("option background_sync_micros must be 0 .. 3600000000");
  }
  return CheckRange("reserve_bytes", options.reserve_bytes, 0, kTiB);
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

DbImpl::DbImpl(const Options& options, const env::Env& env, std::string directory)
    : options_(options),
      env_(env),
      directory_(std::move(directory)),
      block_cache_(options.block_cache_bytes),
      tables_(env.files, directory_, &block_cache_, kMaxOpenFiles),
      blob_files_(env.files, directory_, kMaxOpenFiles),
      versions_(env.files, directory_, &mutex_,
                [this] {
                  debt_bytes_ = PendingCompactionBytes(*versions_.current(), options_);
                  PublishView();
                }),
      space_(options, env, directory_),
      blobs_(options, env, directory_, &versions_, &mutex_),
      waiters_(env.scheduler),
      sync_(env.scheduler, [this] { return SyncLogs(); }),
      deleter_(env, directory_, options.delete_bytes_per_second, versions_.obsolete_files(),
               &tasks_, [this](const FileName& file) { ForgetFile(file); }),
      tasks_(env.scheduler) {}

// Everything written is in the log already; what is not durable yet is made so, since there may be
// no next background sync.
DbImpl::~DbImpl() {
  versions_.obsolete_files()->SetListener({});
  tasks_.Close();
  compactions_.clear();
  rewrite_.reset();
  if (opened_) {
    BackgroundSyncRound();
    if (!failed_.load()) {
      blobs_.CloseCurrent();
      (void)blobs_.FinishFull();  // else the next to open the store does it
      NoteDurableEnd();
    }
    deleter_.Finish();
  }
}

// A log alone does not say where it should end: one that was cut later looks like one whose end
// never reached the disk. After a clean close the manifest knows better.
void DbImpl::NoteDurableEnd() {
  const Position last = LastPosition();
  if (options_.read_only || sync_.SyncedPosition() < last || last <= versions_.durable_sequence() ||
      last <= versions_.last_sequence()) {
    return;
  }
  VersionEdit edit;
  edit.durable_sequence = last;
  (void)versions_.Apply(std::move(edit));  // without it the store is as after a crash
}

Result<std::unique_ptr<Db>> Db::Open(const Options& options, const env::Env& env,
                                     const std::string& directory) {
  KVFS_RETURN_IF_ERROR(CheckOptions(options));
  auto db = std::make_unique<DbImpl>(options, env, directory);
  KVFS_RETURN_IF_ERROR(db->OpenStore());
  return std::unique_ptr<Db>(std::move(db));
}

Status DbImpl::OpenStore() {
  KVFS_ASSIGN_OR_RETURN(const bool exists, env_.files->Exists(directory_));
  if (!exists) {
    if (options_.read_only) {
      return Status::NotFound(directory_ + " does not exist");
    }
    KVFS_RETURN_IF_ERROR(env_.files->CreateDirectory(directory_));
  }
  KVFS_RETURN_IF_ERROR(CheckDirectory());
  auto lock = env_.files->LockFile(Path(FileKind::kLock), options_.holder);
  if (lock.ok()) {
    lock_ = std::move(*lock);
  } else if (!(options_.read_only && lock.error().code() == Code::kReadOnly)) {
    return lock.error();
  }
  KVFS_ASSIGN_OR_RETURN(const bool formatted, env_.files->Exists(Path(FileKind::kFormat)));
  if (!formatted) {
    if (options_.read_only) {
      return Status::NotFound(directory_ + " holds no store");
    }
    KVFS_RETURN_IF_ERROR(CreateStore());
  } else {
    KVFS_RETURN_IF_ERROR(TakeUp());
  }
  KVFS_RETURN_IF_ERROR(ReplayLogs());
  if (!options_.read_only) {
    KVFS_RETURN_IF_ERROR(FinishRecovery());
    KVFS_RETURN_IF_ERROR(RemoveLeftovers());
    StartBackground();
  }
  return Status::Ok();
}

// FORMAT comes last when a store is made: without it there is no store, and nothing of anybody else
// may be in its place.
Status DbImpl::CheckDirectory() {
  KVFS_ASSIGN_OR_RETURN(const bool formatted, env_.files->Exists(Path(FileKind::kFormat)));
  if (formatted) {
    KVFS_ASSIGN_OR_RETURN(const Bytes content, env_.files->ReadFile(Path(FileKind::kFormat)));
    uint32_t version = 0;
    const char* begin = content.data() + std::min(kFormatPrefix.size(), content.size());
    const char* end = content.data() + content.size();
    const auto parsed = std::from_chars(begin, end, version);
    if (!content.starts_with(kFormatPrefix) || parsed.ec != std::errc() ||
        ByteView(parsed.ptr, static_cast<size_t>(end - parsed.ptr)) != "\n") {
      return Status::Corruption(Path(FileKind::kFormat) + " at 0: not the format file of a store");
    }
    if (version != kFormatVersion) {
      return Status::InvalidArgument(directory_ + " has format " + std::to_string(version) +
                                     " of the engine, this program reads format " +
                                     std::to_string(kFormatVersion));
    }
    return Status::Ok();
  }
  KVFS_ASSIGN_OR_RETURN(const auto names, env_.files->List(directory_));
  for (const std::string& name : names) {
    const auto parsed = ParseFileName(name);
    const bool begun =
        parsed &&
        (parsed->kind == FileKind::kLock || parsed->kind == FileKind::kManifest ||
         parsed->kind == FileKind::kCurrent || name == "CURRENT.tmp" || name == "FORMAT.tmp");
    if (!begun) {
      return Status::InvalidArgument(directory_ + " is not a store of kvfs: it holds " + name +
                                     " but no FORMAT file");
    }
  }
  return Status::Ok();
}

Status DbImpl::CreateStore() {
  // Also where an earlier attempt made the directory and got no further.
  KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, ParentOf(directory_)));
  KVFS_RETURN_IF_ERROR(versions_.StartManifest());
  return WriteFormat(directory_);
}

Status DbImpl::WriteFormat(const std::string& directory) {
  return env_.files->WriteFileAtomically(
      directory, MakeFileName(FileKind::kFormat),
      std::string(kFormatPrefix) + std::to_string(kFormatVersion) + "\n");
}

Status DbImpl::TakeUp() {
  KVFS_RETURN_IF_ERROR(versions_.Recover());
  KVFS_ASSIGN_OR_RETURN(const auto names, env_.files->List(directory_));
  std::set<uint64_t> tables;
  std::set<uint64_t> blobs;
  for (const std::string& name : names) {
    const auto file = ParseFileName(name);
    if (!file) {
      continue;
    }
    versions_.ReserveFileNumber(file->number);
    if (file->kind == FileKind::kTable) {
      tables.insert(file->number);
    } else if (file->kind == FileKind::kBlob) {
      blobs.insert(file->number);
    }
  }
  const auto check_size = [this](FileKind kind, uint64_t number, uint64_t expected) -> Status {
    KVFS_ASSIGN_OR_RETURN(const uint64_t size, env_.files->FileSize(Path(kind, number)));
    if (size != expected) {
      return Status::Corruption(Path(kind, number) + " at " + std::to_string(size) +
                                ": the file has " + std::to_string(size) + " bytes, not " +
                                std::to_string(expected));
    }
    return Status::Ok();
  };
  for (const TableList& level : versions_.current()->levels) {
    for (const auto& table : level) {
      if (!tables.contains(table->meta.number)) {
        return Status::Corruption(Path(FileKind::kTable, table->meta.number) + " is missing");
      }
      KVFS_RETURN_IF_ERROR(
          check_size(FileKind::kTable, table->meta.number, table->meta.file_bytes));
    }
  }
  for (const auto& [logical, state] : versions_.blobs()) {
    if (!blobs.contains(state.meta.physical)) {
      return Status::Corruption(Path(FileKind::kBlob, state.meta.physical) + " is missing");
    }
    if (state.meta.Finished()) {
      KVFS_RETURN_IF_ERROR(check_size(FileKind::kBlob, state.meta.physical, state.meta.file_bytes));
    }
  }
  return Status::Ok();
}

// ---- logs ------------------------------------------------------------------

Status DbImpl::ReplayLogs() {
  last_sequence_.store(versions_.last_sequence());
  active_ = std::make_shared<MemLog>();
  active_->memtable = std::make_shared<MemTable>();
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
    next->memtable = std::make_shared<MemTable>();
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

Status DbImpl::RemoveLeftovers() {
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
    used.insert(versions_.manifest_number());
    used.insert(active_->log->log_number());
    spare_logs_.clear();
  }
  versions_.obsolete_files()->Take();
  for (const std::string& name : names) {
    const auto file = ParseFileName(name);
    if (!file) {
      continue;
    }
    const bool numbered = file->kind == FileKind::kTable || file->kind == FileKind::kBlob ||
                          file->kind == FileKind::kLog || file->kind == FileKind::kManifest;
    const bool ours = name == "CURRENT.tmp" || name == "FORMAT.tmp";
    if ((numbered && !used.contains(file->number)) || ours) {
      KVFS_RETURN_IF_ERROR(env_.files->Unlink(directory_ + "/" + name));
    }
  }
  return Status::Ok();
}

void DbImpl::StartBackground() {
  deleter_.Start();
  if (options_.background_sync_micros > 0) {
    ArmBackgroundSync();
  }
  opened_ = true;
  const std::lock_guard lock(mutex_);
  work_wanted_ = true;
  Schedule();
}

}  // namespace kvfs::engine
