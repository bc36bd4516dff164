// Version: the tables and blob files of the store at one moment. Immutable and
// shared: readers keep the one they started with, so no read holds a lock, and a
// file is deleted only when no version in use names it. ReadView adds the memtables.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/file_handles.h"
#include "kvcore/engine/internal_iterator.h"
#include "kvcore/engine/internal_key.h"
#include "kvcore/engine/memtable.h"
#include "kvcore/engine/table_cache.h"
#include "kvcore/engine/version_edit.h"

namespace kvfs::engine {

using TableList = std::vector<std::shared_ptr<TableFile>>;
using BlobMap = std::map<uint64_t, std::shared_ptr<BlobFileHandle>>;  // by logical file

class Version {
 public:
  // Level 0 is newest first and overlaps; the others ascend and do not.
  std::array<TableList, kLevels> levels;
  std::shared_ptr<const BlobMap> blobs = std::make_shared<const BlobMap>();

  // The newest entry of `user_key` at or below `sequence`, deletes included.
  Result<std::optional<FoundEntry>> Get(TableCache* tables, ByteView user_key, uint64_t sequence,
                                        bool fill_cache) const;
  // Appends iterators that together cover every table. `cache` and this version outlive them.
  void AddIterators(TableCache* cache, bool fill_cache,
                    std::vector<std::unique_ptr<InternalIterator>>* out) const;
  // Tables of `level` that hold user keys in [begin, end], both inclusive.
  TableList Overlapping(int level, ByteView begin, ByteView end) const;
  uint64_t LevelBytes(int level) const;
  uint64_t TableBytes() const;
  // Bytes of blobs that deletes in tables hide, whose pointers may be in tables yet.
  uint64_t HiddenBytes() const;
  // The deepest level with a table; 0 if there is none.
  int DeepestLevel() const;

  // The whole value of a blob. kCorruption also if its file is not there.
  Status ReadBlob(BlobFileCache* cache, const BlobPointer& pointer, Bytes* value) const;
  Result<std::shared_ptr<const BlobFile>> OpenBlob(BlobFileCache* cache, uint64_t logical) const;
};

struct ReadView {
  std::shared_ptr<MemTable> memtable;
  std::vector<std::shared_ptr<MemTable>> immutable;  // newest first
  std::shared_ptr<const Version> version;
};

// The tables of one sorted level as one iterator; each is opened when the walk reaches it. Both
// outlive it.
std::unique_ptr<InternalIterator> NewLevelIterator(const TableList* tables, TableCache* cache,
                                                   bool fill_cache);

}  // namespace kvfs::engine
