#include "fs/fuse/fuse_server.h"

#include <linux/fuse.h>

#include <algorithm>

#include "fs/fuse/fuse_convert.h"

namespace kvfs::fs {

fuse_entry_param FuseServer::EntryOf(const Attr& attr, Ino parent) const {
  fuse_entry_param entry{};
  entry.ino = attr.ino;
  entry.attr = ToStat(attr);
  entry.attr_timeout = AttrSeconds(attr);
  entry.entry_timeout = vfs_->MayKeepNames(parent) ? options_.entry_seconds : 0;
  return entry;
}

fuse_entry_param FuseServer::NegativeEntry() const {
  fuse_entry_param entry{};
  entry.entry_timeout = options_.negative_seconds;
  return entry;
}

namespace {

void OnInit(void* userdata, fuse_conn_info* conn) {
  auto* server = static_cast<FuseServer*>(userdata);
  const FuseOptions& options = server->options();
  const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_DONT_MASK |
                          FUSE_CAP_POSIX_ACL | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                          FUSE_CAP_ASYNC_DIO | FUSE_CAP_CACHE_SYMLINKS |
                          (options.writeback ? FUSE_CAP_WRITEBACK_CACHE : 0u) |
                          (options.is_shared ? FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS : 0u);
  // Everything not named is off: among it splicing, which costs two system calls more per request
  // and saves nothing where the bytes end up in memory; export, since an inode that was forgotten
  // cannot be found by number alone; and dropping pages when a file's time changes, since nobody
  // else writes.
  conn->want = conn->capable & wanted;
  conn->max_write = options.max_write_bytes;
  conn->max_readahead = std::min(conn->max_readahead, options.max_readahead_bytes);
  conn->max_background = 64;
  conn->congestion_threshold = 48;
  conn->time_gran = 1;
  if ((conn->capable & FUSE_CAP_PARALLEL_DIROPS) != 0) {
    server->init_flags().fetch_or(FUSE_PARALLEL_DIROPS);
  }
  // Ignored by kernels that do not know it; see kill_flags.h.
  server->init_flags().fetch_or(FUSE_HANDLE_KILLPRIV_V2);
}

}  // namespace

void AddSessionOps(fuse_lowlevel_ops* ops) { ops->init = OnInit; }

}  // namespace kvfs::fs
