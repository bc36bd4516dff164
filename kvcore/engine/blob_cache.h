// BlobFileCache: the open blob files of a store by physical number, a bounded count of
// them (files in use stay open beyond it). Thread-safe. Owned by the Db.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kvcore/base/status.h"
#include "kvcore/engine/blob_file.h"
#include "kvcore/engine/cache.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class BlobFileCache {
 public:
  BlobFileCache(env::FileSystem* files, std::string directory, size_t max_open_files);

  Result<std::shared_ptr<const BlobFile>> Get(uint64_t physical);
  // To be called when the file is deleted.
  void Evict(uint64_t physical);

 private:
  env::FileSystem* const files_;
  const std::string directory_;
  LruCache<BlobFile> blob_files_;  // each charged 1
};

}  // namespace kvfs::engine
