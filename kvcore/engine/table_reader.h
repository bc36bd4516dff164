// Table: one open table file, for reading. Thread-safe. Index, filter and data
// blocks are read when needed and live in the block cache; of the table itself only
// the properties stay in memory. Held by shared_ptr (TableCache, iterators).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/cache.h"
#include "kvcore/engine/internal_iterator.h"
#include "kvcore/engine/internal_key.h"
#include "kvcore/engine/miss_regions.h"
#include "kvcore/engine/table_format.h"
#include "kvcore/env/file_system.h"

namespace kvfs::engine {

// Decompressed blocks by (file number, offset).
using BlockCache = LruCache<Bytes>;

class Table : public std::enable_shared_from_this<Table> {
 public:
  // Reads footer and properties. `name` is for messages; `cache` outlives the table.
  static Result<std::shared_ptr<const Table>> Open(std::unique_ptr<env::RandomAccessFile> file,
                                                   std::string name, uint64_t file_number,
                                                   BlockCache* cache);

  // The newest entry of `user_key` at or below `sequence`; nullopt if there is none here.
  Result<std::optional<FoundEntry>> Get(ByteView user_key, uint64_t sequence,
                                        bool fill_cache = true) const;
  // Holds the table alive.
  std::unique_ptr<InternalIterator> NewIterator(bool fill_cache = true) const;

  const TableProperties& properties() const { return properties_; }
  uint64_t file_number() const { return file_number_; }
  uint64_t FileSize() const { return size_; }
  uint64_t MemoryBytes() const;

  // Reads and verifies every byte: all blocks, their order, and that the properties are true.
  Status Verify() const;
  const TableFooter& footer() const { return footer_; }

  // For iterators and dumps: a block through the cache.
  Result<std::shared_ptr<const Bytes>> GetBlock(const BlockHandle& handle, bool fill_cache) const;
  const std::shared_ptr<const std::string>& name() const { return name_; }

 private:
  Table(std::unique_ptr<env::RandomAccessFile> file, std::string name, uint64_t file_number,
        BlockCache* cache);

  class Iter;

  Status Damage(uint64_t offset, const char* what) const;
  // `read` reads it where the cache has it not.
  template <typename Read>
  Result<std::shared_ptr<const Bytes>> GetBlock(const BlockHandle& handle, bool fill_cache,
                                                const Read& read) const;
  Status CheckPlace(const BlockHandle& handle) const;  // that it lies within the file
  // Past the cache.
  Result<Bytes> ReadVerified(const BlockHandle& handle) const;
  // The same for a data block that nothing said would be read; where several were, what lies around
  // it is fetched too.
  Result<Bytes> ReadUnexpected(const BlockHandle& handle) const;

  const std::unique_ptr<env::RandomAccessFile> file_;
  const std::shared_ptr<const std::string> name_;
  const uint64_t file_number_;
  BlockCache* const cache_;
  uint64_t size_ = 0;
  TableFooter footer_;
  TableProperties properties_;
  std::unique_ptr<MissRegions> misses_;
};

}  // namespace kvfs::engine
