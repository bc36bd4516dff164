#include "kvcore/engine/ordinal_set.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>

#include "kvcore/base/coding.h"

namespace kvfs::engine {

namespace {
constexpr uint32_t kWordBits = 64;
uint64_t Bit(uint32_t ordinal) { return uint64_t{1} << (ordinal % kWordBits); }
}  // namespace

bool OrdinalSet::Insert(uint32_t ordinal) {
  assert(ordinal <= kMaxOrdinal);
  const size_t word = ordinal / kWordBits;
  if (word >= words_.size()) {
    words_.resize(word + 1);
  }
  if ((words_[word] & Bit(ordinal)) != 0) {
    return false;
  }
  words_[word] |= Bit(ordinal);
  ++count_;
  return true;
}

bool OrdinalSet::Erase(uint32_t ordinal) {
  if (!Contains(ordinal)) {
    return false;
  }
  words_[ordinal / kWordBits] &= ~Bit(ordinal);
  --count_;
  return true;
}

bool OrdinalSet::Contains(uint32_t ordinal) const {
  const size_t word = ordinal / kWordBits;
  return word < words_.size() && (words_[word] & Bit(ordinal)) != 0;
}

std::vector<uint32_t> OrdinalSet::Ordinals() const {
  std::vector<uint32_t> ordinals;
  ordinals.reserve(count_);
  for (size_t word = 0; word < words_.size(); ++word) {
    for (uint64_t bits = words_[word]; bits != 0; bits &= bits - 1) {
      ordinals.push_back(static_cast<uint32_t>(word * kWordBits) +
                         static_cast<uint32_t>(std::countr_zero(bits)));
    }
  }
  return ordinals;
}

bool OrdinalSet::operator==(const OrdinalSet& other) const {
  if (count_ != other.count_) {
    return false;
  }
  // With equal counts, equal common words leave nothing for the rest.
  const size_t common = std::min(words_.size(), other.words_.size());
  return std::equal(words_.begin(), words_.begin() + static_cast<std::ptrdiff_t>(common),
                    other.words_.begin());
}

// Count of runs; per run the gap to the end of the one before, and its length.
void OrdinalSet::Encode(Bytes* out) const {
  std::vector<std::pair<uint32_t, uint32_t>> runs;
  for (const uint32_t ordinal : Ordinals()) {
    if (!runs.empty() && runs.back().first + runs.back().second == ordinal) {
      ++runs.back().second;
    } else {
      runs.emplace_back(ordinal, 1);
    }
  }
  PutVarint32(out, static_cast<uint32_t>(runs.size()));
  uint32_t end = 0;
  for (const auto& [first, length] : runs) {
    PutVarint32(out, first - end);
    PutVarint32(out, length);
    end = first + length;
  }
}

void OrdinalSet::InsertRun(uint32_t first, uint32_t length) {
  for (uint32_t i = 0; i < length; ++i) {
    Insert(first + i);
  }
}

bool OrdinalSet::Decode(ByteView* in) {
  *this = {};
  uint32_t runs = 0;
  if (!GetVarint32(in, &runs)) {
    return false;
  }
  uint64_t end = 0;
  for (uint32_t i = 0; i < runs; ++i) {
    uint32_t gap = 0;
    uint32_t length = 0;
    if (!GetVarint32(in, &gap) || !GetVarint32(in, &length) || length == 0 || (i > 0 && gap == 0) ||
        end + gap + length > uint64_t{kMaxOrdinal} + 1) {
      return false;
    }
    InsertRun(static_cast<uint32_t>(end + gap), length);
    end += uint64_t{gap} + length;
  }
  return true;
}

}  // namespace kvfs::engine
