// KernelMount: a FUSE mount made with fsopen(2) and its kin rather than by libfuse.
// It is there, and can be made to answer, before anybody sees it; and it can be put on
// top of the mount of a daemon that died, so that the directory below is never bare.
//
// Needs the right to mount (root). Owned by the FuseMount; used by one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/status.h"

namespace kvfs::fs {

class KernelMount {
 public:
  // `words`: as mount(8) takes them, see MountOptions. kUnavailable if this kernel has no such
  // calls, or does not let this process use them: then libfuse has to mount.
  static Result<std::unique_ptr<KernelMount>> Create(const std::string& source,
                                                     const std::vector<std::string>& words);
  ~KernelMount();  // one that was not attached is gone then
  KernelMount(const KernelMount&) = delete;
  KernelMount& operator=(const KernelMount&) = delete;

  // The connection to the kernel, handed over: the caller closes it, and ends the mount by that.
  int TakeDevice();

  // Waits until the mount answers. Then `device_number` names it in /proc/self/mountinfo.
  Status AwaitAnswer();
  dev_t device_number() const { return device_number_; }

  // Shows it at `mountpoint`, on top of whatever is mounted there. Once, after AwaitAnswer.
  Status Attach(const std::string& mountpoint);
  // Whether it is what is seen at the place it was attached to. Does not ask the daemon.
  bool IsSeen() const;
  // Takes what is seen there away, lazily.
  void Detach();

 private:
  KernelMount(int device, int mount) : device_(device), mount_(mount) {}

  int device_;  // -1: handed over
  int mount_;   // -1: attached
  dev_t device_number_ = 0;
  uint64_t mount_id_ = 0;
  std::string mountpoint_;
};

}  // namespace kvfs::fs
