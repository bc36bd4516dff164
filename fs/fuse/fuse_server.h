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
#include "fs/fuse/writer_table.h"
#include "fs/vfs/vfs.h"

namespace kvfs::fs {

class FuseServer {
 public:
  FuseServer(const FuseOptions& options, Vfs* vfs) : options_(options), vfs_(vfs) {}

  static FuseServer* Of(fuse_req_t req) { return static_cast<FuseServer*>(fuse_req_userdata(req)); }

  Vfs& vfs() { return *vfs_; }
  const FuseOptions& options() const { return options_; }
  WriterTable& writers() { return writers_; }
  InFlight& in_flight() { return in_flight_; }

  // FUSE_* bits to be added to the answer to INIT; set by the init operation.
  std::atomic<uint32_t>& init_flags() { return init_flags_; }
  // True until the answer to INIT has passed.
  std::atomic<bool>& awaiting_init() { return awaiting_init_; }

  // How long the kernel may keep attributes of `ino`. Not at all while it is open for writing: its
  // times and blocks change when buffered bytes are published, and the kernel is not told.
  double AttrSeconds(Ino ino) const { return writers_.Contains(ino) ? 0 : options_.attr_seconds; }
  fuse_entry_param EntryOf(const Attr& attr) const;
  fuse_entry_param NegativeEntry() const;

 private:
  const FuseOptions options_;
  Vfs* const vfs_;
  WriterTable writers_;
  InFlight in_flight_;
  std::atomic<uint32_t> init_flags_{0};
  std::atomic<bool> awaiting_init_{true};
};

// The operations, by what they work on. Each fills in its part of the table.
void AddNameOps(fuse_lowlevel_ops* ops);       // lookup, create names, remove, rename
void AddAttrOps(fuse_lowlevel_ops* ops);       // attributes, extended attributes, statfs
void AddFileOps(fuse_lowlevel_ops* ops);       // open files
void AddDirectoryOps(fuse_lowlevel_ops* ops);  // open directories
void AddSessionOps(fuse_lowlevel_ops* ops);    // init

}  // namespace kvfs::fs
