// Vfs: a mounted filesystem without the kernel: what FUSE asks for, in terms of
// inode numbers and handles. fs/fuse is a thin adapter over it; tests drive it
// without a mount.
//
// Owned by whoever mounts. Thread-safe. Every call is awaitable and finishes inline
// when nothing has to be waited for. Inode lifetime: each NodeReply counts one
// lookup of its inode, taken back by Forget.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/meta/namespace.h"
#include "fs/meta/types.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/kernel_cache.h"
#include "fs/vfs/lock_manager.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::fs {

struct VfsOptions {
  FileManagerOptions files;
  // Unlinked files of other sessions keep their content at least this long; 0 on a lone mount.
  int64_t orphan_grace_micros = 0;
  // How often the work index is looked at, microseconds; 10 ms .. 1 h.
  int64_t work_interval_micros = 1'000'000;
  // Others write to the store too: what is remembered of a file is looked at again when it is
  // opened, and the kernel keeps no pages across opens. They may do so while parted from this
  // mount, and both sides are to be kept: see NamespaceOptions and FileManagerOptions.
  bool is_shared = false;
  LockOptions locks;  // where it is shared
  // Whether reads move access times (as with relatime).
  bool keeps_atime = true;
};

struct NodeReply {
  Attr attr;  // attr.ino is the node
};

struct OpenReply {
  uint64_t handle = 0;
  bool keep_cache = false;
};

// What flock(2) or fcntl(2) asks for. `owner`: the kernel's number for who asks.
struct LockRequest {
  uint64_t owner = 0;
  LockKind kind = LockKind::kPosix;
  bool exclusive = false;
  uint64_t begin = 0;
  uint64_t last = kLastByte;
  uint32_t pid = 0;
};

struct CreateReply {
  Attr attr;
  OpenReply open;
};

// One entry for readdir(plus). Returns false when the caller's buffer is full: the entry was not
// taken. With `attr` the entry counts a lookup (readdirplus; never for "." and "..").
using DirSink = std::function<bool(const DirEntry& entry, const Attr* attr)>;

class Vfs {
 public:
  virtual ~Vfs() = default;

  static std::unique_ptr<Vfs> Create(const VfsOptions& options, client::Client* client,
                                     env::Env env);

  // Makes the root if need be and starts background work. First call.
  virtual Task<Errno> Start(Credentials owner) = 0;
  // Publishes and syncs everything, stops background work. No call may be under way or follow.
  virtual Task<Errno> Stop() = 0;

  virtual Task<FsResult<NodeReply>> Lookup(Ino parent, Bytes name) = 0;
  virtual void Forget(Ino ino, uint64_t count) = 0;
  // Whether the kernel may keep names that it was told of the directory, and that there are none.
  virtual bool MayKeepNames(Ino directory) const = 0;
  virtual Task<FsResult<Attr>> GetAttr(Ino ino) = 0;
  virtual Task<FsResult<Attr>> SetAttr(Ino ino, SetAttrRequest request, Credentials who) = 0;
  virtual Task<FsResult<Bytes>> ReadLink(Ino ino) = 0;
  virtual Task<FsResult<NodeReply>> MakeNode(Ino parent, Bytes name, uint32_t mode, uint64_t rdev,
                                             Credentials who) = 0;
  virtual Task<FsResult<NodeReply>> MakeDirectory(Ino parent, Bytes name, uint32_t mode,
                                                  Credentials who) = 0;
  virtual Task<FsResult<NodeReply>> MakeSymlink(Ino parent, Bytes name, Bytes target,
                                                Credentials who) = 0;
  virtual Task<FsResult<NodeReply>> Link(Ino ino, Ino new_parent, Bytes new_name) = 0;
  virtual Task<Errno> Unlink(Ino parent, Bytes name) = 0;
  virtual Task<Errno> RemoveDirectory(Ino parent, Bytes name) = 0;
  virtual Task<Errno> Rename(Ino parent, Bytes name, Ino new_parent, Bytes new_name,
                             RenameMode mode) = 0;

  // `flags` as in open(2). Create: EEXIST only with O_EXCL in flags; otherwise opens what is there.
  virtual Task<FsResult<CreateReply>> CreateFile(Ino parent, Bytes name, uint32_t mode, int flags,
                                                 Credentials who) = 0;
  virtual Task<FsResult<OpenReply>> Open(Ino ino, int flags) = 0;
  virtual Task<FsResult<ReadPieces>> Read(Ino ino, uint64_t handle, uint64_t offset,
                                          uint64_t size) = 0;
  // Bytes taken: all of them, or an error.
  virtual Task<FsResult<uint64_t>> Write(Ino ino, uint64_t handle, uint64_t offset, Bytes data) = 0;
  virtual Task<Errno> Flush(Ino ino, uint64_t handle) = 0;
  virtual Task<Errno> Release(Ino ino, uint64_t handle) = 0;
  virtual Task<Errno> Fsync(Ino ino, uint64_t handle, bool data_only) = 0;
  virtual Task<Errno> Fallocate(Ino ino, uint64_t handle, int mode, uint64_t offset,
                                uint64_t size) = 0;
  virtual Task<FsResult<uint64_t>> Seek(Ino ino, uint64_t handle, uint64_t offset, int whence) = 0;
  virtual Task<FsResult<uint64_t>> CopyRange(Ino from, uint64_t from_offset, Ino to,
                                             uint64_t to_offset, uint64_t size) = 0;

  // Locks, where others write to the store too; else ENOSYS. Whoever gets one reads what was
  // published before by whoever had it; what he has written is published when he gives it back. A
  // lock that forbids this one, or nothing.
  virtual Task<FsResult<std::optional<FileLock>>> TestLock(Ino ino, LockRequest request) = 0;
  // `wait` null: EAGAIN instead of waiting. EINTR, ENOLCK. EIO: the owner's locks were lost.
  virtual Task<Errno> SetLock(Ino ino, uint64_t handle, LockRequest request,
                              std::shared_ptr<LockWait> wait) = 0;
  virtual Task<Errno> ClearLock(Ino ino, uint64_t handle, LockRequest request) = 0;
  // The owner has closed the file. Cheap if he has no lock.
  virtual Task<void> DropLocks(Ino ino, uint64_t owner) = 0;
  // Nobody waits for a lock from now on; who does gets EINTR.
  virtual void EndLockWaits() = 0;

  virtual Task<FsResult<uint64_t>> OpenDirectory(Ino ino) = 0;
  // From just after `cookie` (0: from the start, with "." and ".." first) until the sink is full.
  virtual Task<Errno> ReadDirectory(Ino ino, uint64_t handle, uint64_t cookie, bool with_attrs,
                                    DirSink sink) = 0;
  virtual Task<Errno> ReleaseDirectory(Ino ino, uint64_t handle) = 0;
  virtual Task<Errno> FsyncDirectory(Ino ino) = 0;

  virtual Task<FsResult<FsSpace>> StatFs() = 0;

  virtual Task<Errno> SetXattr(Ino ino, Bytes name, Bytes value, int flags, bool kill_sgid) = 0;
  virtual Task<FsResult<Bytes>> GetXattr(Ino ino, Bytes name) = 0;
  virtual Task<FsResult<std::vector<Bytes>>> ListXattrs(Ino ino) = 0;
  virtual Task<Errno> RemoveXattr(Ino ino, Bytes name) = 0;

  // Whom to tell what the kernel remembers wrongly; null: nobody. Borrowed, and not called any more
  // once another, or null, has been set.
  virtual void SetKernelCache(KernelCache* kernel) = 0;

  // Runs all that is due in the work index now.
  virtual Task<Errno> RunWorkNow() = 0;
  // Bytes of one file that are buffered here and not yet in the store.
  virtual uint64_t DirtyBytes(Ino ino) const = 0;

  struct Stats {
    FileManager::Stats files;
    uint64_t remembered_inodes = 0;
    uint64_t operations = 0;
  };
  virtual Stats GetStats() const = 0;
};

}  // namespace kvfs::fs
