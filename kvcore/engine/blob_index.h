// BlobIndex: where the records of one blob file lie, by ordinal. Grown by the file's
// writer, read by readers beside it; thread-safe. Shared by both (shared_ptr).
#pragma once

#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

class BlobIndex {
 public:
  struct Entry {
    uint32_t ordinal = 0;
    uint32_t stored_size = 0;
    uint64_t offset = 0;

    bool operator==(const Entry&) const = default;
  };

  // False if the ordinal is there already.
  bool Insert(const Entry& entry);
  std::optional<Entry> Find(uint32_t ordinal) const;
  // Ascending by ordinal.
  std::vector<Entry> Entries() const;
  size_t Count() const;
  uint64_t MemoryBytes() const;

  void Encode(Bytes* out) const;
  // False: not an index (wrong size, or ordinals that do not ascend).
  bool Decode(ByteView in);

 private:
  mutable std::shared_mutex mutex_;
  std::vector<Entry> entries_;  // sorted by ordinal
};

}  // namespace kvfs::engine
