// TableCache: the open tables of a store by file number, a bounded count of them
// (tables in use by iterators stay open beyond it). Thread-safe. Owned by the Db.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kvcore/base/status.h"
#include "kvcore/engine/cache.h"
#include "kvcore/engine/table_reader.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

class TableCache {
 public:
  // `files` and `block_cache` outlive it.
  TableCache(env::FileSystem* files, std::string directory, BlockCache* block_cache,
             size_t max_open_tables);

  Result<std::shared_ptr<const Table>> Get(uint64_t file_number);
  // To be called when the file is deleted.
  void Evict(uint64_t file_number);

 private:
  env::FileSystem* const files_;
  const std::string directory_;
  BlockCache* const block_cache_;
  LruCache<Table> tables_;  // each charged 1
};

}  // namespace kvfs::engine
