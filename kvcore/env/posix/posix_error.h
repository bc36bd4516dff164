// How an errno becomes a Status: the code a caller can react to, and a message
// that names the call, the path and the system's own words.
#pragma once

#include <string_view>

#include "kvcore/base/status.h"

namespace kvfs::env::posix {

Status ErrnoToStatus(int error, std::string_view call, std::string_view path);

}  // namespace kvfs::env::posix
