// Which store a command of kvfs-admin is about.
#pragma once

#include <string>

#include "kvcore/base/status.h"

namespace kvfs::tools {

// What the user named, as a data directory: `named` itself, or what is mounted there. Nothing
// named: the only kvfs mount there is, else the default directory.
Result<std::string> LocateStore(const std::string& named);

// The data directory behind a file of a mount. InvalidArgument if the path is in no kvfs mount.
Result<std::string> StoreOfFile(const std::string& path);

}  // namespace kvfs::tools
