#include "kvcore/engine/blob_store.h"

#include <algorithm>
#include <utility>

#include "kvcore/engine/blob_file.h"
#include "kvcore/engine/durable.h"

namespace kvfs::engine {

namespace {
constexpr uint64_t kWritebackBytes = 1u << 20;
}  // namespace

BlobStore::BlobStore(const Options& options, const env::Env& env, std::string directory,
                     VersionSet* versions, std::mutex* state_mutex)
    : options_(options),
      env_(env),
      directory_(std::move(directory)),
      versions_(versions),
      state_mutex_(state_mutex) {}

Result<BlobPointer> BlobStore::Put(ByteView value) {
  PreparedBlob blob = PrepareBlob(value);
  KVFS_ASSIGN_OR_RETURN(const auto file, Current());
  auto pointer = file->writer->Append(std::move(blob));
  if (pointer.ok()) {
    // Where a put crosses a boundary, what lies before it begins its way to the disk.
    const uint64_t end = file->writer->Size() / kWritebackBytes * kWritebackBytes;
    if (end > 0 && end > file->writer->Size() - std::min<uint64_t>(pointer->stored_size, end)) {
      file->writer->StartWriteback(end - kWritebackBytes, kWritebackBytes);
    }
    const std::lock_guard lock(*state_mutex_);
    BlobState& state = versions_->blobs()[pointer->file];
    state.unflushed.Insert(pointer->ordinal);
    state.unflushed_bytes += pointer->stored_size;
    bytes_written_.fetch_add(pointer->stored_size, std::memory_order_relaxed);
  }
  const std::lock_guard lock(mutex_);
  --file->users;
  if (file->writer->Size() >= options_.blob_file_bytes) {
    file->full = true;
    if (current_ == file) {
      current_.reset();
    }
  }
  return pointer;
}

void BlobStore::Forget(const BlobPointer& pointer) {
  const std::lock_guard lock(*state_mutex_);
  const auto it = versions_->blobs().find(pointer.file);
  if (it != versions_->blobs().end() && it->second.unflushed.Erase(pointer.ordinal)) {
    it->second.unflushed_bytes -= pointer.stored_size;
  }
}

std::shared_ptr<BlobStore::Growing> BlobStore::UseCurrent() {
  if (current_ == nullptr) {
    current_ = std::exchange(next_, nullptr);
  }
  if (current_ != nullptr) {
    ++current_->users;
  }
  return current_;
}

bool BlobStore::WantsNext() const {
  const std::lock_guard lock(mutex_);
  return current_ != nullptr && next_ == nullptr && !current_->next_tried &&
         current_->writer->Size() >= options_.blob_file_bytes / 2;
}

Status BlobStore::PrepareNext() {
  const std::lock_guard create_lock(create_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (current_ == nullptr || next_ != nullptr) {
      return Status::Ok();
    }
    current_->next_tried = true;
  }
  KVFS_ASSIGN_OR_RETURN(auto file, Create());
  const std::lock_guard lock(mutex_);
  files_.push_back(file);
  next_ = std::move(file);
  return Status::Ok();
}

Result<std::shared_ptr<BlobStore::Growing>> BlobStore::Current() {
  {
    const std::lock_guard lock(mutex_);
    if (auto file = UseCurrent()) {
      return file;
    }
  }
  const std::lock_guard create_lock(create_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (auto file = UseCurrent()) {  // made while we waited
      return file;
    }
  }
  KVFS_ASSIGN_OR_RETURN(auto file, Create());
  const std::lock_guard lock(mutex_);
  ++file->users;
  current_ = file;
  files_.push_back(file);
  return file;
}

// The file, its name and its place in the manifest are durable before the first pointer to it can
// be.
Result<std::shared_ptr<BlobStore::Growing>> BlobStore::Create() {
  const uint64_t number = versions_->NewFileNumber();
  const BlobFileId id{number, number, env_.random->Next()};
  const std::string path = FilePath(directory_, FileKind::kBlob, number);
  auto file = std::make_shared<Growing>();
  const auto prepare = [&]() -> Result<std::shared_ptr<const BlobFile>> {
    KVFS_ASSIGN_OR_RETURN(auto writable,
                          env_.files->OpenWritable(path, env::FileSystem::Create::kTruncate));
    KVFS_ASSIGN_OR_RETURN(file->writer, BlobFileWriter::Create(std::move(writable), id));
    KVFS_RETURN_IF_ERROR(file->writer->Sync());
    KVFS_RETURN_IF_ERROR(SyncDirectory(env_.files, directory_));
    KVFS_ASSIGN_OR_RETURN(auto readable, env_.files->OpenRandomAccess(path));
    return BlobFile::OpenGrowing(std::move(readable), path, id, file->writer->index());
  };
  auto reader = prepare();
  if (!reader.ok()) {
    (void)env_.files->Unlink(path);
    return reader.error();
  }
  VersionEdit edit;
  edit.blob_files.push_back({.logical = number, .physical = number});
  KVFS_RETURN_IF_ERROR(versions_->Apply(std::move(edit), {}, std::move(*reader)));
  return file;
}

void BlobStore::MarkReferred(uint64_t logical) {
  const std::lock_guard lock(mutex_);
  for (const auto& file : files_) {
    if (file->writer->id().logical == logical) {
      file->referred.store(true);
    }
  }
}

Status BlobStore::SyncOne(Growing* file) {
  const std::lock_guard lock(file->sync_mutex);
  return file->finished ? Status::Ok() : file->writer->Sync();
}

bool BlobStore::HasReferred() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(files_.begin(), files_.end(),
                     [](const auto& file) { return file->referred.load(); });
}

Status BlobStore::SyncReferred(std::atomic<uint64_t>* syncs) {
  std::vector<std::shared_ptr<Growing>> files;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& file : files_) {
      if (file->referred.exchange(false)) {
        files.push_back(file);
      }
    }
  }
  for (const auto& file : files) {
    KVFS_RETURN_IF_ERROR(SyncOne(file.get()));
    syncs->fetch_add(1, std::memory_order_relaxed);
  }
  return Status::Ok();
}

Status BlobStore::SyncFiles(const std::vector<uint64_t>& logical) {
  std::vector<std::shared_ptr<Growing>> files;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& file : files_) {
      if (std::find(logical.begin(), logical.end(), file->writer->id().logical) != logical.end()) {
        files.push_back(file);
      }
    }
  }
  for (const auto& file : files) {
    KVFS_RETURN_IF_ERROR(SyncOne(file.get()));
  }
  return Status::Ok();
}

bool BlobStore::HasFull() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(files_.begin(), files_.end(),
                     [](const auto& file) { return file->full && file->users == 0; });
}

Status BlobStore::FinishFull() {
  const std::lock_guard finish_lock(finish_mutex_);
  std::vector<std::shared_ptr<Growing>> full;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& file : files_) {
      if (file->full && file->users == 0) {
        full.push_back(file);
      }
    }
  }
  for (const auto& file : full) {
    const BlobFileId id = file->writer->id();
    uint64_t record_bytes = 0;
    {
      const std::lock_guard lock(file->sync_mutex);
      if (!file->finished) {
        KVFS_RETURN_IF_ERROR(file->writer->Finish());
        file->finished = true;
      }
    }
    for (const BlobIndex::Entry& entry : file->writer->index()->Entries()) {
      record_bytes += entry.stored_size;
    }
    const std::string path = FilePath(directory_, FileKind::kBlob, id.physical);
    KVFS_ASSIGN_OR_RETURN(const uint64_t size, env_.files->FileSize(path));
    VersionEdit edit;
    edit.blob_files.push_back({.logical = id.logical,
                               .physical = id.physical,
                               .file_bytes = size,
                               .record_bytes = record_bytes});
    KVFS_RETURN_IF_ERROR(versions_->Apply(std::move(edit)));
    const std::lock_guard lock(mutex_);
    std::erase(files_, file);
  }
  return Status::Ok();
}

void BlobStore::CloseCurrent() {
  const std::lock_guard lock(mutex_);
  if (current_ != nullptr) {
    current_->full = true;
    current_.reset();
  }
}

uint64_t BlobStore::GrowingBytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& file : files_) {
    bytes += file->writer->Size();
  }
  return bytes;
}

}  // namespace kvfs::engine
