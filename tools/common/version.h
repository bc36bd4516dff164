// The version of this build.
#pragma once

namespace kvfs::tools {

inline constexpr char kVersion[] = KVFS_VERSION;

}  // namespace kvfs::tools
