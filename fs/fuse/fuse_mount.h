// FuseMount: a Vfs made visible at a directory, with the threads that serve it.
//
// Owned by the composition root; the Vfs must be started before Start and outlive
// the mount. Create, Start, then Stop exactly once (also if Start failed), from one
// thread; the rest is thread-safe. The calls end only when nothing can touch the Vfs any more.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/fuse/fuse_options.h"
#include "fs/fuse/kernel_mount.h"
#include "fs/fuse/notifier.h"
#include "fs/fuse/operation_meters.h"
#include "fs/vfs/vfs.h"
#include "kvcore/base/status.h"

struct fuse_session;

namespace kvfs::fs {

class FuseServer;

class FuseMount {
 public:
  // For a mount at `mountpoint` (an absolute path). Without a KernelMount libfuse mounts there at
  // once, though nothing answers before Start. Errors are worded for the person who asked for the
  // mount.
  static Result<std::unique_ptr<FuseMount>> Create(const FuseOptions& options, Vfs* vfs,
                                                   const std::string& mountpoint,
                                                   std::unique_ptr<KernelMount> kernel_mount);
  ~FuseMount();  // REQUIRES: not started, or stopped

  // Serves, and returns once the mount answers and is seen at its place.
  Status Start();
  // Of the mount, as /proc/self/mountinfo has it; known after Start.
  dev_t device_number() const { return device_number_; }

  // Readable once the kernel has ended the connection (umount, or abort).
  int ended_fd() const { return ended_fd_; }

  // Ends the threads, lets the requests under way finish, unmounts (lazily, if still mounted).
  // kBusy if requests are still under way after `deadline_micros`: nothing was torn down then, and
  // the process can only exit.
  Status Stop(int64_t deadline_micros);

  // Requests being served now.
  int64_t InFlightCount() const;
  // What was asked and how long it took; and what is being served now, the longest first.
  const OperationMeters& operations() const;
  std::vector<OperationMeters::Operation> RunningOperations() const;

 private:
  FuseMount(std::unique_ptr<FuseServer> server, fuse_session* session, int ended_fd,
            std::string mountpoint, std::unique_ptr<KernelMount> kernel_mount);

  Status Appear();
  void TakeAway();
  void Serve();
  void EndThreads();

  const std::unique_ptr<FuseServer> server_;
  std::unique_ptr<Notifier> notifier_;  // null unless others change the tree
  fuse_session* session_;
  const int ended_fd_;
  const std::string mountpoint_;
  const std::unique_ptr<KernelMount> kernel_mount_;  // null: libfuse mounted
  dev_t device_number_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<size_t> serving_{0};  // threads that have not left Serve
};

}  // namespace kvfs::fs
