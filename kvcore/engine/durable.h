// Syncs whose failure is final. What a failed sync should have written may be gone, and a
// later one that succeeds says nothing about it; so whatever its reason, a full disk too, it
// is reported as kIoError, which nobody retries.
#pragma once

#include <string>

#include "kvcore/base/status.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

Status SyncFile(env::WritableFile* file);
Status SyncDirectory(env::FileSystem* files, const std::string& directory);

}  // namespace kvfs::engine
