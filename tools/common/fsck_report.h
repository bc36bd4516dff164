// What the walk over the filesystem found, in the words of the admin schema.
#pragma once

#include "fs/meta/fsck.h"
#include "kvcore/proto/admin.pb.h"

namespace kvfs::tools {

// Adds to what is already in `check`; lists at most 1,000 problems and counts all.
void AddFsckReport(const fs::FsckReport& report, admin::CheckResponse* check);

}  // namespace kvfs::tools
