// FuseMount: a Vfs made visible at a directory, with the threads that serve it.
//
// Owned by the composition root; the Vfs must be started before Start and outlive
// the mount. Create, Start, then Stop exactly once, from one thread; the rest is
// thread-safe. The calls end only when nothing can touch the Vfs any more.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/fuse/fuse_options.h"
#include "fs/vfs/vfs.h"
#include "kvcore/base/status.h"

struct fuse_session;

namespace kvfs::fs {

class FuseServer;

class FuseMount {
 public:
  // Mounts at `mountpoint` (an absolute path). Nothing answers before Start. Errors are worded for
  // the person who asked for the mount.
  static Result<std::unique_ptr<FuseMount>> Create(const FuseOptions& options, Vfs* vfs,
                                                   const std::string& mountpoint);
  ~FuseMount();  // REQUIRES: not started, or stopped

  void Start();

  // Readable once the kernel has ended the connection (umount, or abort).
  int ended_fd() const { return ended_fd_; }

  // Ends the threads, lets the requests under way finish, unmounts (lazily, if still mounted).
  // kBusy if requests are still under way after `deadline_micros`: nothing was torn down then, and
  // the process can only exit.
  Status Stop(int64_t deadline_micros);

  // Requests being served now.
  int64_t InFlightCount() const;

 private:
  FuseMount(std::unique_ptr<FuseServer> server, fuse_session* session, int ended_fd);

  void Serve();
  void EndThreads();

  const std::unique_ptr<FuseServer> server_;
  fuse_session* session_;
  const int ended_fd_;
  std::vector<std::thread> threads_;
  std::atomic<size_t> serving_{0};  // threads that have not left Serve
};

}  // namespace kvfs::fs
