// Paths as the commands need them.
#pragma once

#include <sys/types.h>

#include <string>

#include "kvcore/base/status.h"

namespace kvfs::tools {

// Where a store lies if nobody says: /var/lib/kvfs for root, else kvfs under $XDG_DATA_HOME
// (default ~/.local/share). InvalidArgument if neither it nor $HOME is set.
Result<std::string> DefaultDataDirectory(uid_t uid);

// Absolute, without symbolic links, "." and "..", as far as the path exists; the rest is taken as
// written. Does not touch the last component, so it does not wait for a mount that hangs there.
Result<std::string> CanonicalPath(const std::string& path);
// The same, following the last component too.
Result<std::string> ResolvedPath(const std::string& path);

// Whether canonical `path` is `directory` or lies below it.
bool IsWithin(const std::string& path, const std::string& directory);

// A file name that tells canonical paths apart: "/mnt/a-b" is "mnt-a%2db".
std::string EscapedPath(const std::string& path);

// mkdir -p with mode 0700 for what is missing.
Status MakeDirectories(const std::string& path);

// "cannot VERB PATH: Permission denied".
Status ErrnoStatus(const std::string& what, int error);

}  // namespace kvfs::tools
