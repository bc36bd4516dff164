// BranchCounts: how many transactions of each branch actor somebody holds, or a trunk has taken
// in. Each actor counts its own from 1 and without a gap, so one number says it. Values and
// pure functions.
#pragma once

#include <cstdint>
#include <map>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/versioning/version.h"

namespace kvfs::replication {

using BranchCounts = std::map<uint64_t, uint64_t>;  // actor -> count, at least 1

inline uint64_t CountOf(const BranchCounts& counts, uint64_t actor) {
  const auto found = counts.find(actor);
  return found == counts.end() ? 0 : found->second;
}
inline bool Has(const BranchCounts& counts, const versioning::Dot& dot) {
  return CountOf(counts, dot.epoch) >= dot.counter;
}
// Whether `counts` holds everything that `other` does.
bool CoversAll(const BranchCounts& counts, const BranchCounts& other);
void JoinInto(BranchCounts* counts, const BranchCounts& other);

// doc/formats/item.md. One value has one encoding. Decoding takes hostile input: kCorruption.
Bytes EncodeCounts(const BranchCounts& counts);
Result<BranchCounts> DecodeCounts(ByteView in);

}  // namespace kvfs::replication
