// Opening and closing a store: whose directory it is, the manifest.
#include <algorithm>
#include <charconv>
#include <set>

#include "kvcore/engine/db_impl.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {

namespace {

constexpr std::string_view kFormatPrefix = "kvfs engine format ";
constexpr uint32_t kFormatVersion = 2;
constexpr size_t kMaxOpenFiles = 256;  // of either kind

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
      arena_pool_(std::make_shared<ArenaPool>(options.memtable_bytes, env.memory)),
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
    // First what takes the room that recovery needs: on a full disk there may be no other.
    KVFS_RETURN_IF_ERROR(RemoveLeftovers(/*is_recovered=*/false));
    KVFS_RETURN_IF_ERROR(FinishRecovery());
    KVFS_RETURN_IF_ERROR(RemoveLeftovers(/*is_recovered=*/true));
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
