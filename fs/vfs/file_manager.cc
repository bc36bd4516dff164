#include "fs/vfs/file_manager.h"

#include <algorithm>

#include "fs/vfs/file_manager_impl.h"

namespace kvfs::fs {
namespace {

constexpr uint64_t kMaxGenerationBytes = 8u << 20;

Geometry GeometryOf(const client::StoreInfo& info) {
  Geometry geometry;
  geometry.chunk_bytes = info.chunk_bytes;
  return geometry;
}

}  // namespace

std::unique_ptr<FileManager> FileManager::Create(const FileManagerOptions& options,
                                                 client::Client* client, env::Env env) {
  return std::make_unique<FileManagerImpl>(options, client, env);
}

FileManagerImpl::FileManagerImpl(const FileManagerOptions& options, client::Client* client,
                                 env::Env env)
    : options_(options),
      client_(client),
      env_(env),
      generation_bytes_(std::min(kMaxGenerationBytes, options.write_buffer_bytes / 4)),
      chunks_(client, env.scheduler, GeometryOf(client->info()), options.chunk_cache_bytes),
      reader_(client, &chunks_),
      planner_(client, env.random, env.scheduler, &chunks_, &reader_, options.fold_blocks,
               options.unfolded_bytes),
      publisher_(client, env.clock, env.scheduler, &planner_, &chunks_, options.fold_after_micros,
                 options.is_shared),
      keeper_(client, &chunks_),
      files_(env.scheduler),
      space_(client, env.clock, &files_.dirty_bytes),
      background_(env.scheduler) {}

TimeSpec FileManagerImpl::Now() const {
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  const int64_t nanos = env_.clock->WallNanos();
  return {nanos / kNanosPerSecond, static_cast<uint32_t>(nanos % kNanosPerSecond)};
}

Task<FsResult<FileTable::Pin>> FileManagerImpl::AcquireLoaded(InodeRef ref) {
  Pin pin = files_.Acquire(ref);
  const Errno loaded = co_await publisher_.Load(pin.get());
  if (!loaded.ok()) {
    co_return loaded;
  }
  co_return std::move(pin);
}

// The handle is counted before anything is read, so that nobody reclaims the inode meanwhile.
Task<FsResult<FileHandle>> FileManagerImpl::Open(InodeRef ref) {
  Pin pin = files_.Acquire(ref);
  const FileHandle handle = next_handle_.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock(pin->mutex);
  if (pin->gone) {
    co_return Errno(ESTALE);
  }
  if (pin->handles.empty() && pin->dirty.empty()) {
    pin->ForgetWriting();
  }
  pin->handles.emplace(handle, pin->error_sequence);
  pin.Again().Leave();
  open_handles_.fetch_add(1, std::memory_order_relaxed);
  co_return handle;
}

Task<Errno> FileManagerImpl::Release(InodeRef ref, FileHandle handle) {
  Pin pin = files_.Find(ref.ino);
  if (!pin) {
    co_return Errno(EBADF);
  }
  Pin handles_pin;
  std::lock_guard lock(pin->mutex);
  if (pin->handles.erase(handle) == 0) {
    co_return Errno(EBADF);
  }
  if (pin->handles.empty() && pin->dirty.empty()) {
    pin->ForgetWriting();
  }
  handles_pin = files_.Adopt(pin.get());
  open_handles_.fetch_sub(1, std::memory_order_relaxed);
  co_return Errno();
}

bool FileManagerImpl::IsOpen(Ino ino) const {
  Pin pin = files_.Find(ino);
  if (!pin) {
    return false;
  }
  std::lock_guard lock(pin->mutex);
  return !pin->handles.empty();
}

Task<FsResult<std::optional<uint64_t>>> FileManagerImpl::Refresh(InodeRef ref) {
  Pin pin = files_.Find(ref.ino);
  if (!pin) {
    co_return std::optional<uint64_t>();
  }
  auto guard = co_await pin->publishing.Lock();
  {
    std::lock_guard lock(pin->mutex);
    if (!pin->loaded || pin->gone) {
      co_return std::optional<uint64_t>();  // it will be read when it is needed
    }
  }
  const Errno reloaded = co_await publisher_.Reload(pin.get());
  if (!reloaded.ok()) {
    co_return reloaded;
  }
  std::lock_guard lock(pin->mutex);
  co_return pin->pages_since == pin->foreign_changes ? std::optional<uint64_t>()
                                                     : pin->foreign_changes;
}

void FileManagerImpl::PagesDropped(Ino ino, uint64_t number) {
  Pin pin = files_.Find(ino);
  if (pin) {
    std::lock_guard lock(pin->mutex);
    pin->pages_since = std::max(pin->pages_since, number);
  }
}

std::vector<InodeRef> FileManagerImpl::Remembered(std::optional<Ino> home) const {
  std::vector<InodeRef> refs = files_.All();
  if (home.has_value()) {
    std::erase_if(refs, [&](const InodeRef& ref) { return ref.home != *home; });
  }
  return refs;
}

void FileManagerImpl::Overlay(Attr* attr, uint64_t released_before) const {
  Pin pin = files_.Find(attr->ino);
  if (!pin) {
    // If files were closed since the store was asked, this may be one of them, and what the store
    // said from before it was published.
    attr->is_settled = files_.released() == released_before;
    return;
  }
  std::lock_guard lock(pin->mutex);
  if (!pin->loaded || pin->gone) {
    return;
  }
  attr->size = pin->EffectiveSize();
  attr->is_settled = pin->dirty.empty();
  // An attribute older than the last write was read before it was published. A setattr of times
  // publishes first, so no write that is still buffered is older than a time set by hand.
  if (!pin->dirty.empty() || attr->ctime < pin->last_write) {
    if (pin->last_write != TimeSpec{}) {
      attr->mtime = pin->last_write;
      attr->ctime = std::max(attr->ctime, pin->last_write);
    }
  }
  const uint64_t buffered =
      pin->dirty.empty() ? 0 : attr->size - std::min(attr->size, pin->content->size);
  attr->blocks_512 = (AllocatedBytes(*pin->content, chunks_.geometry()) + buffered + 511) / 512;
}

uint64_t FileManagerImpl::DirtyBytes(Ino ino) const {
  Pin pin = files_.Find(ino);
  if (!pin) {
    return 0;
  }
  std::lock_guard lock(pin->mutex);
  uint64_t bytes = 0;
  for (const auto& generation : pin->dirty) {
    bytes += generation->buffer.memory_bytes();
  }
  return bytes;
}

FileManager::Stats FileManagerImpl::GetStats() const {
  Stats stats;
  stats.dirty_bytes = static_cast<uint64_t>(std::max<int64_t>(0, files_.dirty_bytes.load()));
  stats.cached_bytes = chunks_.cache().bytes();
  stats.open_files = open_handles_.load(std::memory_order_relaxed);
  stats.tracked_inodes = files_.size();
  stats.cache_hits = chunks_.cache().hits();
  stats.cache_misses = chunks_.cache().misses();
  return stats;
}

}  // namespace kvfs::fs
