// `kvfs umount`: takes a mount away and waits until its daemon has written
// everything back and is gone.
#pragma once

#include <string>

#include "kvcore/base/status.h"

namespace kvfs::tools {

struct UmountOptions {
  bool force = false;
  // How long a daemon may take to drain before the command gives up waiting (the daemon goes on);
  // with `force`: before it is killed.
  int64_t deadline_millis = 300'000;
  int64_t force_deadline_millis = 10'000;
};

// kBusy names the processes that use the mount.
Status Umount(const std::string& mountpoint, const UmountOptions& options);

}  // namespace kvfs::tools
