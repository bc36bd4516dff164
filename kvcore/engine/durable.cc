#include "kvcore/engine/durable.h"

namespace kvfs::engine {
namespace {

Status Final(const Status& status) {
  return status.ok() || status.code() != Code::kNoSpace
             ? status
             : Status::IoError("failed to sync: " + status.message());
}

}  // namespace

Status SyncFile(env::WritableFile* file) { return Final(file->Sync()); }

Status SyncDirectory(env::FileSystem* files, const std::string& directory) {
  return Final(files->SyncDirectory(directory));
}

}  // namespace kvfs::engine
