#include "kvcore/engine/table_cache.h"

#include <utility>

#include "kvcore/engine/file_names.h"

namespace kvfs::engine {

TableCache::TableCache(env::FileSystem* files, std::string directory, BlockCache* block_cache,
                       size_t max_open_tables)
    : files_(files),
      directory_(std::move(directory)),
      block_cache_(block_cache),
      tables_(max_open_tables, 1) {}

Result<std::shared_ptr<const Table>> TableCache::Get(uint64_t file_number) {
  const CacheKey key{file_number, 0};
  if (auto table = tables_.Lookup(key)) {
    return table;
  }
  KVFS_ASSIGN_OR_RETURN(
      auto file, files_->OpenRandomAccess(FilePath(directory_, FileKind::kTable, file_number)));
  KVFS_ASSIGN_OR_RETURN(auto table,
                        Table::Open(std::move(file), MakeFileName(FileKind::kTable, file_number),
                                    file_number, block_cache_));
  return tables_.Insert(key, std::move(table), 1);
}

void TableCache::Evict(uint64_t file_number) {
  tables_.Erase({file_number, 0});
  block_cache_->EraseFile(file_number);
}

}  // namespace kvfs::engine
