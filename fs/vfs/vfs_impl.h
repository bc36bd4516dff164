// VfsImpl: the Vfs, in parts by topic: vfs.cc (life, work), vfs_names.cc (names),
// vfs_files.cc (open files), vfs_attributes.cc (attributes, xattrs),
// vfs_directories.cc (reading directories).
#pragma once

#include <atomic>
#include <memory>

#include "fs/meta/conflict_resolver.h"
#include "fs/meta/namespace.h"
#include "fs/vfs/atime_queue.h"
#include "fs/vfs/background_work.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/foreign_changes.h"
#include "fs/vfs/handle_table.h"
#include "fs/vfs/inode_table.h"
#include "fs/vfs/open_set.h"
#include "fs/vfs/periodic.h"
#include "fs/vfs/strong_set.h"
#include "fs/vfs/vfs.h"

namespace kvfs::fs {

class VfsImpl final : public Vfs {
 public:
  VfsImpl(const VfsOptions& options, client::Client* client, env::Env env);

  Task<Errno> Start(Credentials owner) override;
  Task<Errno> Stop() override;

  Task<FsResult<NodeReply>> Lookup(Ino parent, Bytes name) override;
  void Forget(Ino ino, uint64_t count) override;
  bool MayKeepNames(Ino directory) const override { return !strong_.Has(directory); }
  Task<FsResult<Attr>> GetAttr(Ino ino) override;
  Task<FsResult<Attr>> SetAttr(Ino ino, SetAttrRequest request, Credentials who) override;
  Task<FsResult<Bytes>> ReadLink(Ino ino) override;
  Task<FsResult<NodeReply>> MakeNode(Ino parent, Bytes name, uint32_t mode, uint64_t rdev,
                                     Credentials who) override;
  Task<FsResult<NodeReply>> MakeDirectory(Ino parent, Bytes name, uint32_t mode,
                                          Credentials who) override;
  Task<FsResult<NodeReply>> MakeSymlink(Ino parent, Bytes name, Bytes target,
                                        Credentials who) override;
  Task<FsResult<NodeReply>> Link(Ino ino, Ino new_parent, Bytes new_name) override;
  Task<Errno> Unlink(Ino parent, Bytes name) override;
  Task<Errno> RemoveDirectory(Ino parent, Bytes name) override;
  Task<Errno> Rename(Ino parent, Bytes name, Ino new_parent, Bytes new_name,
                     RenameMode mode) override;

  Task<FsResult<CreateReply>> CreateFile(Ino parent, Bytes name, uint32_t mode, int flags,
                                         Credentials who) override;
  Task<FsResult<OpenReply>> Open(Ino ino, int flags) override;
  Task<FsResult<ReadPieces>> Read(Ino ino, uint64_t handle, uint64_t offset,
                                  uint64_t size) override;
  Task<FsResult<uint64_t>> Write(Ino ino, uint64_t handle, uint64_t offset, Bytes data) override;
  Task<Errno> Flush(Ino ino, uint64_t handle) override;
  Task<Errno> Release(Ino ino, uint64_t handle) override;
  Task<Errno> Fsync(Ino ino, uint64_t handle, bool data_only) override;
  Task<Errno> Fallocate(Ino ino, uint64_t handle, int mode, uint64_t offset,
                        uint64_t size) override;
  Task<FsResult<uint64_t>> Seek(Ino ino, uint64_t handle, uint64_t offset, int whence) override;
  Task<FsResult<uint64_t>> CopyRange(Ino from, uint64_t from_offset, Ino to, uint64_t to_offset,
                                     uint64_t size) override;

  Task<FsResult<std::optional<FileLock>>> TestLock(Ino ino, LockRequest request) override;
  Task<Errno> SetLock(Ino ino, uint64_t handle, LockRequest request,
                      std::shared_ptr<LockWait> wait) override;
  Task<Errno> ClearLock(Ino ino, uint64_t handle, LockRequest request) override;
  Task<void> DropLocks(Ino ino, uint64_t owner) override;
  void EndLockWaits() override;

  Task<FsResult<uint64_t>> OpenDirectory(Ino ino) override;
  Task<Errno> ReadDirectory(Ino ino, uint64_t handle, uint64_t cookie, bool with_attrs,
                            DirSink sink) override;
  Task<Errno> ReleaseDirectory(Ino ino, uint64_t handle) override;
  Task<Errno> FsyncDirectory(Ino ino) override;

  Task<FsResult<FsSpace>> StatFs() override;

  Task<Errno> SetXattr(Ino ino, Bytes name, Bytes value, int flags, bool kill_sgid) override;
  Task<FsResult<Bytes>> GetXattr(Ino ino, Bytes name) override;
  Task<FsResult<std::vector<Bytes>>> ListXattrs(Ino ino) override;
  Task<Errno> RemoveXattr(Ino ino, Bytes name) override;

  void SetKernelCache(KernelCache* kernel) override;
  Task<Errno> RunWorkNow() override;
  uint64_t DirtyBytes(Ino ino) const override;
  Stats GetStats() const override;

 private:
  // Where the inode lies; ESTALE if the kernel was never told of it.
  FsResult<InodeRef> Ref(Ino ino);
  // The answer that hands an inode to the kernel: counts a lookup.
  // `released_before` as in FileManager::Overlay.
  NodeReply Tell(const NodeInfo& node, uint64_t released_before);
  // What is buffered or queued here, over attributes from the store.
  void OverlayBuffered(Attr* attr, uint64_t released_before) const;
  // After a name, perhaps the last, was taken from an inode.
  void NoteRemoved(const Removed& removed);
  // Has an orphan taken apart once nobody can reach it any more.
  void ReclaimIfDue(Ino ino);
  // Opens by place; ENOENT if the inode is gone.
  Task<FsResult<OpenReply>> OpenRef(InodeRef ref, int flags, Freshness freshness);
  Task<FsResult<CreateReply>> TryCreate(InodeRef dir, Bytes name, uint32_t mode, int flags,
                                        Credentials who);
  Task<FsResult<CreateReply>> TryOpenExisting(InodeRef dir, Bytes name, int flags);

  // ---- what other mounts do (vfs_foreign.cc)
  void OnChanges(const std::vector<client::Change>& changes);
  Task<void> FollowAll();
  Task<void> Follow(std::shared_ptr<const ForeignChanges> meaning);
  Task<void> FollowContent(InodeRef ref);
  // What is read from now on, here and by way of the kernel's pages, is no older than this call.
  Task<Errno> Revalidate(InodeRef ref);
  void ForgetPages(Ino ino, std::function<void()> done);
  void ForgetAttributes(Ino ino);

  // All that was locked through the handle.
  Task<void> DropLocksOf(OpenFile* file);
  Task<void> RenewLocks();

  // Numbers for new files are had from a majority only: some are, before the network breaks.
  Task<void> TakeNumbers();
  // The periodic job: the work index, and access times.
  Task<void> RunWork();
  Task<void> WriteAtimes();

  const VfsOptions options_;
  client::Client* const client_;
  const env::Env env_;
  const std::unique_ptr<FileManager> files_;
  InodeTable inodes_;
  mutable StrongSet strong_;  // empty unless it is shared
  OpenSet open_set_;
  Namespace namespace_;
  ConflictResolver conflicts_;
  HandleTable handles_;
  AtimeQueue atimes_;
  Periodic worker_;
  const std::unique_ptr<LockManager> locks_;  // null unless it is shared
  Periodic lock_renewer_;
  std::mutex kernel_mutex_;  // held while it is called
  KernelCache* kernel_ = nullptr;
  std::mutex follow_mutex_;  // guards the two below
  ForeignChanges to_follow_;
  bool is_following_ = false;
  BackgroundWork background_;
  std::atomic<uint64_t> next_directory_handle_{1};
  mutable std::atomic<uint64_t> operations_{0};
};

}  // namespace kvfs::fs
