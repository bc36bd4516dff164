// VersionEdit: one step from a version of the store's set of files to the next;
// the record type of the manifest (doc/formats/manifest.md). A value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/engine/ordinal_set.h"
#include "kvcore/engine/table_format.h"

namespace kvfs::engine {

inline constexpr int kLevels = 7;

struct TableMeta {
  uint64_t number = 0;
  uint64_t file_bytes = 0;
  uint64_t entries = 0;
  uint64_t deletes = 0;           // of the entries
  uint64_t longest_dead_run = 0;  // see TableProperties
  uint64_t hidden_bytes = 0;      // of blobs that those deletes hide, as far as they say so
  uint64_t smallest_sequence = 0;
  uint64_t largest_sequence = 0;
  Bytes smallest;  // internal keys
  Bytes largest;

  bool operator==(const TableMeta&) const = default;
};
TableMeta MakeTableMeta(uint64_t number, uint64_t file_bytes, uint64_t hidden_bytes,
                        const TableProperties& properties);

struct BlobFileMeta {
  uint64_t logical = 0;
  uint64_t physical = 0;
  // Of a finished file; 0 while it grows.
  uint64_t file_bytes = 0;
  uint64_t record_bytes = 0;  // sum of its records' stored sizes

  bool Finished() const { return file_bytes != 0; }
  bool operator==(const BlobFileMeta&) const = default;
};

// How the pointers in tables to one blob file change.
struct BlobChange {
  OrdinalSet added;
  uint64_t added_bytes = 0;
  OrdinalSet removed;
  uint64_t removed_bytes = 0;

  bool operator==(const BlobChange&) const = default;
};

struct VersionEdit {
  struct DeletedTable {
    int level = 0;
    uint64_t number = 0;
    bool operator==(const DeletedTable&) const = default;
  };
  struct AddedTable {
    int level = 0;
    TableMeta meta;
    bool operator==(const AddedTable&) const = default;
  };

  std::optional<uint64_t> next_file_number;
  std::optional<uint64_t> log_number;     // logs below it are not needed
  std::optional<uint64_t> last_sequence;  // everything up to it is in tables
  // Everything up to it was durable, in tables or logs, when the store was last closed.
  std::optional<uint64_t> durable_sequence;
  std::vector<DeletedTable> deleted_tables;
  std::vector<AddedTable> added_tables;
  std::vector<BlobFileMeta> blob_files;  // new ones, or known ones (by logical) changed
  std::vector<uint64_t> removed_blob_files;
  std::map<uint64_t, BlobChange> blob_changes;  // by logical file

  void Encode(Bytes* out) const;
  // Hostile input; kCorruption.
  static Result<VersionEdit> Decode(ByteView in);

  bool operator==(const VersionEdit&) const = default;
};

}  // namespace kvfs::engine
