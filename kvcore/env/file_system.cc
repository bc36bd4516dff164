#include "kvcore/env/file_system.h"

namespace kvfs::env {

Result<Bytes> FileSystem::ReadFile(const std::string& path) {
  KVFS_ASSIGN_OR_RETURN(auto file, OpenRandomAccess(path));
  KVFS_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  Bytes content;
  KVFS_RETURN_IF_ERROR(file->ReadAt(0, size, &content));
  return content;
}

Status FileSystem::WriteFileAtomically(const std::string& directory, const std::string& name,
                                       ByteView data) {
  const std::string temporary = directory + "/" + name + ".tmp";
  const auto put = [&]() -> Status {
    KVFS_ASSIGN_OR_RETURN(auto file, OpenWritable(temporary, Create::kTruncate));
    KVFS_RETURN_IF_ERROR(file->WriteAt(0, data));
    KVFS_RETURN_IF_ERROR(file->Sync());
    KVFS_RETURN_IF_ERROR(file->Close());
    return Rename(temporary, directory + "/" + name);
  };
  if (Status status = put(); !status.ok()) {
    (void)Unlink(temporary);  // on a full disk it would hold space; it may also not exist
    return status;
  }
  return SyncDirectory(directory);
}

}  // namespace kvfs::env
