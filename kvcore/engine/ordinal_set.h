// OrdinalSet: a set of record ordinals of one blob file, as a bitmap. A value,
// no synchronisation. Its encoding is a list of runs, since ordinals come in runs.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

class OrdinalSet {
 public:
  // No blob file holds more records: 4 GiB of the smallest ones stays below it.
  static constexpr uint32_t kMaxOrdinal = (1u << 27) - 1;

  // REQUIRES: ordinal <= kMaxOrdinal. False if it is there already.
  bool Insert(uint32_t ordinal);
  // False if it is not there.
  bool Erase(uint32_t ordinal);
  bool Contains(uint32_t ordinal) const;
  bool Empty() const { return count_ == 0; }
  uint32_t Count() const { return count_; }
  std::vector<uint32_t> Ordinals() const;  // ascending
  uint64_t MemoryBytes() const { return words_.capacity() * sizeof(uint64_t); }

  void Encode(Bytes* out) const;
  // Takes hostile input: false unless the runs ascend and stay within kMaxOrdinal.
  bool Decode(ByteView* in);

  // Equal as sets, whatever room they take.
  bool operator==(const OrdinalSet& other) const;

 private:
  void InsertRun(uint32_t first, uint32_t length);

  std::vector<uint64_t> words_;
  uint32_t count_ = 0;
};

}  // namespace kvfs::engine
