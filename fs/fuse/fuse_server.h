// FuseServer: turns the kernel's requests into calls of a Vfs, and its answers back.
//
// Owned by the FuseMount; the userdata of the libfuse session, so that the table of
// operations can be plain functions. Thread-safe. Every request starts a detached
// coroutine that holds a Request; where the Vfs answers inline, the reply is written
// on the thread that read the request.
#pragma once

#include <atomic>

#include "fs/fuse/fuse_options.h"
#include "fs/fuse/fuse_request.h"
#include "fs/fuse/libfuse.h"
#include "fs/fuse/operation_meters.h"
#include "fs/vfs/vfs.h"

namespace kvfs::fs {

class FuseServer {
 public:
  FuseServer(const FuseOptions& options, Vfs* vfs)
      : options_(options), vfs_(vfs), operations_(options.slow_micros) {}

  static FuseServer* Of(fuse_req_t req) { return static_cast<FuseServer*>(fuse_req_userdata(req)); }

  Vfs& vfs() { return *vfs_; }
  const FuseOptions& options() const { return options_; }
  InFlight& in_flight() { return in_flight_; }
  OperationMeters& operations() { return operations_; }

  // Set once, before anything is served.
  void SetSession(fuse_session* session) { session_ = session; }
  // Has the kernel ask for the inode's attributes before it uses them again. The one notification
  // that may be sent while a request about the inode is being served.
  void InvalidateAttributes(Ino ino) {
    (void)fuse_lowlevel_notify_inval_inode(session_, ino, -1, 0);  // unknown there: nothing to do
  }

  // FUSE_* bits to be added to the answer to INIT; set by the init operation.
  std::atomic<uint32_t>& init_flags() { return init_flags_; }
  // True until the answer to INIT has passed.
  std::atomic<bool>& awaiting_init() { return awaiting_init_; }

  // How long the kernel may keep attributes. Not at all those that change when buffered bytes are
  // published, for it is not told of that. Of those it keeps it knows itself when a write makes
  // them old.
  double AttrSeconds(const Attr& attr) const { return attr.is_settled ? options_.attr_seconds : 0; }
  // As a name in the directory `parent`.
  fuse_entry_param EntryOf(const Attr& attr, Ino parent) const;
  fuse_entry_param NegativeEntry() const;

 private:
  const FuseOptions options_;
  Vfs* const vfs_;
  fuse_session* session_ = nullptr;
  InFlight in_flight_;
  OperationMeters operations_;
  std::atomic<uint32_t> init_flags_{0};
  std::atomic<bool> awaiting_init_{true};
};

// The operations, by what they work on. Each fills in its part of the table.
void AddNameOps(fuse_lowlevel_ops* ops);       // lookup, create names, remove, rename
void AddAttrOps(fuse_lowlevel_ops* ops);       // attributes, extended attributes, statfs
void AddFileOps(fuse_lowlevel_ops* ops);       // open files
void AddLockOps(fuse_lowlevel_ops* ops);       // flock, fcntl
void AddDirectoryOps(fuse_lowlevel_ops* ops);  // open directories
void AddSessionOps(fuse_lowlevel_ops* ops);    // init

}  // namespace kvfs::fs
