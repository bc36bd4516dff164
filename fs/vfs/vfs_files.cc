// VfsImpl: open files.

#include <utility>

#include "fs/meta/names.h"
#include "fs/meta/posix.h"
#include "fs/vfs/vfs_impl.h"

namespace kvfs::fs {

Task<FsResult<CreateReply>> VfsImpl::CreateFile(Ino parent, Bytes name, uint32_t mode, int flags,
                                                Credentials who) {
  constexpr int kMaxAttempts = 32;  // of losing to others that create and unlink the same name
  auto dir = Ref(parent);
  if (!dir.ok()) {
    co_return dir.error();
  }
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    auto created = co_await TryCreate(*dir, name, mode, flags, who);
    if (created.ok() || created.error() != Errno(EEXIST) || (flags & O_EXCL) != 0) {
      co_return created;
    }
    auto opened = co_await TryOpenExisting(*dir, name, flags);
    if (opened.ok() || opened.error() != Errno(ENOENT)) {
      co_return opened;
    }
  }
  co_return Errno(EIO);
}

Task<FsResult<CreateReply>> VfsImpl::TryCreate(InodeRef dir, Bytes name, uint32_t mode, int flags,
                                               Credentials who) {
  auto ino = co_await namespace_.AllocateInode();
  if (!ino.ok()) {
    co_return ino.error();
  }
  const uint64_t released_before = files_->ReleasedCount();
  // From before its name appears until it is open nobody's unlink deletes it.
  open_set_.Pin(*ino);
  auto node = co_await namespace_.MakeNode(dir, std::move(name),
                                           S_IFREG | (mode & ~uint32_t{S_IFMT}), 0, who, *ino);
  if (!node.ok()) {
    open_set_.Unpin(*ino);
    co_return node.error();
  }
  auto open = co_await OpenRef(node->ref, flags & ~O_TRUNC, Freshness::kRecent);
  open_set_.Unpin(*ino);
  if (!open.ok()) {
    co_return open.error();
  }
  co_return CreateReply{.attr = Tell(*node, released_before).attr, .open = *open};
}

Task<FsResult<CreateReply>> VfsImpl::TryOpenExisting(InodeRef dir, Bytes name, int flags) {
  const uint64_t released_before = files_->ReleasedCount();
  auto node = co_await namespace_.Lookup(dir, std::move(name));
  if (!node.ok()) {
    co_return node.error();
  }
  if (S_ISDIR(node->attr.mode)) {
    co_return Errno(EISDIR);
  }
  if (!S_ISREG(node->attr.mode)) {
    co_return Errno(ESTALE);  // a symlink or FIFO appeared meanwhile: the kernel looks again
  }
  auto open = co_await OpenRef(node->ref, flags, Freshness::kNow);
  if (!open.ok()) {
    co_return open.error();
  }
  if ((flags & O_TRUNC) != 0) {
    auto attr = co_await namespace_.GetAttr(node->ref, Freshness::kRecent);
    if (attr.ok()) {
      node->attr = *attr;
    }
  }
  co_return CreateReply{.attr = Tell(*node, released_before).attr, .open = *open};
}

Task<FsResult<OpenReply>> VfsImpl::Open(Ino ino, int flags) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  auto open = co_await OpenRef(*ref, flags, Freshness::kNow);
  if (!open.ok() && open.error() == Errno(ENOENT)) {
    co_return Errno(ESTALE);  // the kernel looks its name up again
  }
  co_return open;
}

Task<FsResult<OpenReply>> VfsImpl::OpenRef(InodeRef ref, int flags, Freshness freshness) {
  if (ref.ino == ref.home) {
    co_return Errno(EISDIR);
  }
  auto file = std::make_shared<OpenFile>();
  file->ref = ref;
  file->flags = flags;
  {
    auto guard = co_await open_set_.HoldOpens(ref.ino);
    // An unlink may have come first; the guard keeps the next one away. And whatever others have
    // closed before is seen from here on.
    auto attr = co_await namespace_.GetAttr(ref, freshness);
    if (!attr.ok()) {
      co_return attr.error();
    }
    if (!S_ISREG(attr->mode)) {
      co_return Errno(ENXIO);
    }
    if (options_.is_shared && attr->nlink == 0 && !open_set_.HasOrphan(ref.ino)) {
      co_return Errno(ENOENT);  // another mount has deleted it, and what is left is not for opening
    }
    auto opened = co_await files_->Open(ref);
    if (!opened.ok()) {
      co_return opened.error();
    }
    file->file = *opened;
  }
  if (options_.is_shared) {
    // Somebody may have had it open since before others changed it.
    const auto fresh = co_await files_->Refresh(ref);
    if (!fresh.ok()) {
      (void)co_await files_->Release(ref, file->file);
      co_return fresh.error() == Errno(ESTALE) ? Errno(ENOENT) : fresh.error();
    }
  }
  if ((flags & O_TRUNC) != 0) {
    auto truncated = co_await files_->Truncate(ref, 0);
    if (!truncated.ok()) {
      (void)co_await files_->Release(ref, file->file);
      co_return truncated.error();
    }
  }
  OpenReply reply{.handle = handles_.Add(std::move(file)), .keep_cache = !options_.is_shared};
  co_return reply;
}

Task<FsResult<ReadPieces>> VfsImpl::Read(Ino, uint64_t handle, uint64_t offset, uint64_t size) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return Errno(EBADF);
  }
  auto pieces = co_await files_->Read(file->ref, offset, size);
  if (pieces.ok() && (file->flags & O_NOATIME) == 0 && !file->has_read.exchange(true)) {
    atimes_.Add(file->ref, WallTime(env_.clock));
  }
  co_return pieces;
}

Task<FsResult<uint64_t>> VfsImpl::Write(Ino, uint64_t handle, uint64_t offset, Bytes data) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return Errno(EBADF);
  }
  const uint64_t size = data.size();
  auto end =
      co_await files_->Write(file->ref, offset, std::move(data), (file->flags & O_APPEND) != 0);
  if (!end.ok()) {
    co_return end.error();
  }
  co_return size;
}

Task<Errno> VfsImpl::Flush(Ino, uint64_t handle) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return EBADF;
  }
  const Errno done = co_await files_->Flush(file->ref, file->file);
  co_return done;
}

Task<Errno> VfsImpl::Release(Ino, uint64_t handle) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Remove(handle);
  if (file == nullptr) {
    co_return EBADF;
  }
  if (locks_ != nullptr) {
    co_await DropLocksOf(file.get());
  }
  auto guard = co_await open_set_.HoldOpens(file->ref.ino);
  const Errno done = co_await files_->Release(file->ref, file->file);
  ReclaimIfDue(file->ref.ino);
  co_return done;
}

Task<Errno> VfsImpl::Fsync(Ino, uint64_t handle, bool) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return EBADF;
  }
  const Errno done = co_await files_->Fsync(file->ref, file->file);
  co_return done;
}

Task<Errno> VfsImpl::Fallocate(Ino, uint64_t handle, int mode, uint64_t offset, uint64_t size) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return EBADF;
  }
  const Errno done = co_await files_->Fallocate(file->ref, mode, offset, size);
  co_return done;
}

Task<FsResult<uint64_t>> VfsImpl::Seek(Ino, uint64_t handle, uint64_t offset, int whence) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return Errno(EBADF);
  }
  auto found = co_await files_->Seek(file->ref, offset, whence);
  co_return found;
}

Task<FsResult<uint64_t>> VfsImpl::CopyRange(Ino from, uint64_t from_offset, Ino to,
                                            uint64_t to_offset, uint64_t size) {
  auto from_ref = Ref(from);
  if (!from_ref.ok()) {
    co_return from_ref.error();
  }
  auto to_ref = Ref(to);
  if (!to_ref.ok()) {
    co_return to_ref.error();
  }
  auto copied = co_await files_->CopyRange(*from_ref, from_offset, *to_ref, to_offset, size);
  co_return copied;
}

}  // namespace kvfs::fs
