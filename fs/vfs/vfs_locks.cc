// VfsImpl: locks.

#include <utility>

#include "fs/vfs/vfs_impl.h"

namespace kvfs::fs {
namespace {

FileLock ToLock(const LockRequest& request, LockOwner owner) {
  FileLock lock;
  lock.owner = owner;
  lock.exclusive = request.exclusive;
  lock.begin = request.begin;
  lock.last = request.last;
  lock.pid = request.pid;
  return lock;
}

}  // namespace

Task<FsResult<std::optional<FileLock>>> VfsImpl::TestLock(Ino ino, LockRequest request) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  if (locks_ == nullptr) {
    co_return Errno(ENOSYS);
  }
  const FileLock wanted = ToLock(request, locks_->Owner(request.owner, request.kind));
  auto found = co_await locks_->Test(*ref, wanted);
  co_return found;
}

Task<Errno> VfsImpl::SetLock(Ino, uint64_t handle, LockRequest request,
                             std::shared_ptr<LockWait> wait) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return EBADF;
  }
  if (locks_ == nullptr) {
    co_return ENOSYS;
  }
  const LockOwner owner = locks_->Owner(request.owner, request.kind);
  {
    // From before it is had: nothing may be left behind by a handle.
    std::lock_guard lock(file->mutex);
    file->locked_by.insert(owner);
  }
  const FileLock wanted = ToLock(request, owner);
  const Errno set = co_await locks_->Set(file->ref, wanted, std::move(wait));
  if (!set.ok()) {
    co_return set;
  }
  const Errno fresh = co_await Revalidate(file->ref);
  if (!fresh.ok()) {
    // With a lock and old content something would be lost.
    (void)co_await locks_->Clear(file->ref, owner, request.begin, request.last);
  }
  co_return fresh;
}

Task<Errno> VfsImpl::ClearLock(Ino, uint64_t handle, LockRequest request) {
  operations_.fetch_add(1, std::memory_order_relaxed);
  auto file = handles_.Find(handle);
  if (file == nullptr) {
    co_return EBADF;
  }
  if (locks_ == nullptr) {
    co_return ENOSYS;
  }
  const LockOwner owner = locks_->Owner(request.owner, request.kind);
  if (!locks_->Holds(file->ref.ino, owner)) {
    co_return Errno();
  }
  // An error of that is told by fsync or close.
  (void)co_await files_->Publish(file->ref);
  const Errno cleared = co_await locks_->Clear(file->ref, owner, request.begin, request.last);
  co_return cleared;
}

Task<void> VfsImpl::DropLocks(Ino ino, uint64_t owner) {
  auto ref = inodes_.Find(ino);
  if (locks_ == nullptr || !ref) {
    co_return;
  }
  const LockOwner whose = locks_->Owner(owner, LockKind::kPosix);
  if (locks_->Holds(ino, whose)) {
    co_await locks_->Drop(*ref, whose);
  }
}

Task<void> VfsImpl::DropLocksOf(OpenFile* file) {
  std::set<LockOwner> owners;
  {
    std::lock_guard lock(file->mutex);
    owners.swap(file->locked_by);
  }
  bool any = false;
  for (const LockOwner& owner : owners) {
    any = any || locks_->Holds(file->ref.ino, owner);
  }
  if (!any) {
    co_return;
  }
  (void)co_await files_->Publish(file->ref);
  for (const LockOwner& owner : owners) {
    co_await locks_->Drop(file->ref, owner);
  }
}

Task<void> VfsImpl::RenewLocks() {
  locks_->Renew();
  co_return;
}

void VfsImpl::EndLockWaits() {
  if (locks_ != nullptr) {
    locks_->EndWaits();
  }
}

}  // namespace kvfs::fs
