// The operations on locks. The kernel asks for them only where others write to the store too
// (FuseOptions::is_shared); else its own count.
#include <fcntl.h>
#include <sys/file.h>

#include <memory>
#include <utility>

#include "fs/fuse/fuse_server.h"

namespace kvfs::fs {
namespace {

LockRequest ToRequest(const struct flock& lock, uint64_t owner) {
  LockRequest request;
  request.owner = owner;
  request.exclusive = lock.l_type == F_WRLCK;
  request.begin = static_cast<uint64_t>(lock.l_start);
  request.last =
      lock.l_len == 0 ? kLastByte : request.begin + static_cast<uint64_t>(lock.l_len) - 1;
  request.pid = static_cast<uint32_t>(lock.l_pid);
  return request;
}

struct flock FromLock(const FileLock& lock) {
  struct flock out {};
  out.l_type = lock.exclusive ? F_WRLCK : F_RDLCK;
  out.l_whence = SEEK_SET;
  out.l_start = static_cast<off_t>(lock.begin);
  out.l_len = lock.last == kLastByte ? 0 : static_cast<off_t>(lock.last - lock.begin + 1);
  out.l_pid = static_cast<pid_t>(lock.pid);
  return out;
}

Task<void> GetLock(Request request, FuseServer* server, Ino ino, LockRequest wanted) {
  const auto found = co_await server->vfs().TestLock(ino, wanted);
  if (!found.ok()) {
    request.Error(found.error());
    co_return;
  }
  struct flock reply {};
  reply.l_type = F_UNLCK;
  if (found->has_value()) {
    reply = FromLock(**found);
  }
  request.Lock(reply);
}

void OnGetLock(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file, struct flock* lock) {
  auto* server = FuseServer::Of(req);
  GetLock(Request(req, &server->in_flight()), server, ino, ToRequest(*lock, file->lock_owner))
      .Detach();
}

void OnInterrupt(fuse_req_t, void* wait) { static_cast<LockWait*>(wait)->Interrupt(); }

// A request that waits holds no thread; a signal to whoever asked ends it.
Task<void> SetLock(Request request, FuseServer* server, Ino ino, uint64_t handle,
                   LockRequest wanted, bool waits) {
  std::shared_ptr<LockWait> wait;
  if (waits) {
    wait = std::make_shared<LockWait>();
    fuse_req_interrupt_func(request.raw(), OnInterrupt, wait.get());
  }
  const Errno set = co_await server->vfs().SetLock(ino, handle, wanted, wait);
  if (waits) {
    fuse_req_interrupt_func(request.raw(), nullptr, nullptr);  // waits for one that is under way
  }
  request.Error(set);
}

Task<void> ClearLock(Request request, FuseServer* server, Ino ino, uint64_t handle,
                     LockRequest range) {
  const Errno cleared = co_await server->vfs().ClearLock(ino, handle, range);
  request.Error(cleared);
}

void OnSetLock(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file, struct flock* lock,
               int waits) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  const LockRequest wanted = ToRequest(*lock, file->lock_owner);
  if (lock->l_type == F_UNLCK) {
    ClearLock(std::move(request), server, ino, file->fh, wanted).Detach();
  } else {
    SetLock(std::move(request), server, ino, file->fh, wanted, waits != 0).Detach();
  }
}

void OnFlock(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file, int operation) {
  auto* server = FuseServer::Of(req);
  Request request(req, &server->in_flight());
  LockRequest wanted;
  wanted.owner = file->lock_owner;
  wanted.kind = LockKind::kFlock;
  wanted.exclusive = (operation & LOCK_EX) != 0;
  if ((operation & LOCK_UN) != 0) {
    ClearLock(std::move(request), server, ino, file->fh, wanted).Detach();
  } else {
    SetLock(std::move(request), server, ino, file->fh, wanted, (operation & LOCK_NB) == 0).Detach();
  }
}

}  // namespace

void AddLockOps(fuse_lowlevel_ops* ops) {
  ops->getlk = OnGetLock;
  ops->setlk = OnSetLock;
  ops->flock = OnFlock;
}

}  // namespace kvfs::fs
