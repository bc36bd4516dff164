// `kvfs mount`: checks, then serves in the foreground or in the background.
#pragma once

#include "kvcore/base/status.h"
#include "tools/mount/mount_options.h"

namespace kvfs::tools {

// Returns when the mount answers (in the background), or when it has ended (in the foreground).
Status Mount(const std::string& mountpoint, const MountOptions& options, bool foreground);

}  // namespace kvfs::tools
