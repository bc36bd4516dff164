#include "kvcore/engine/blob_cache.h"

#include <utility>

#include "kvcore/engine/file_names.h"

namespace kvfs::engine {

BlobFileCache::BlobFileCache(env::FileSystem* files, std::string directory, size_t max_open_files)
    : files_(files), directory_(std::move(directory)), blob_files_(max_open_files, 1) {}

Result<std::shared_ptr<const BlobFile>> BlobFileCache::Get(uint64_t physical) {
  const CacheKey key{physical, 0};
  if (auto blob_file = blob_files_.Lookup(key)) {
    return blob_file;
  }
  KVFS_ASSIGN_OR_RETURN(auto file,
                        files_->OpenRandomAccess(FilePath(directory_, FileKind::kBlob, physical)));
  KVFS_ASSIGN_OR_RETURN(
      auto blob_file,
      BlobFile::Open(std::move(file), MakeFileName(FileKind::kBlob, physical), physical));
  return blob_files_.Insert(key, std::move(blob_file), 1);
}

void BlobFileCache::Evict(uint64_t physical) { blob_files_.Erase({physical, 0}); }

}  // namespace kvfs::engine
