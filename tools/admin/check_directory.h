// fsck of a store that nobody has open.
#pragma once

#include <string>

#include "kvcore/base/status.h"
#include "kvcore/proto/admin.pb.h"
#include "tools/admin/commands.h"

namespace kvfs::tools {

// kBusy if the directory is in use. Verifies the engine's files, then what is in them. Without
// `repair` nothing is changed.
Result<admin::CheckResponse> CheckDirectory(const std::string& data_directory,
                                            const FsckFlags& flags);

}  // namespace kvfs::tools
