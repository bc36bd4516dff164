#include "kvcore/replication/branch_note.h"

#include <algorithm>

#include "kvcore/base/coding.h"

namespace kvfs::replication {

bool CoversAll(const BranchCounts& counts, const BranchCounts& other) {
  return std::all_of(other.begin(), other.end(), [&](const auto& entry) {
    return CountOf(counts, entry.first) >= entry.second;
  });
}

void JoinInto(BranchCounts* counts, const BranchCounts& other) {
  for (const auto& [actor, count] : other) {
    uint64_t& held = (*counts)[actor];
    held = std::max(held, count);
  }
}

Bytes EncodeCounts(const BranchCounts& counts) {
  Bytes out;
  for (const auto& [actor, count] : counts) {
    PutFixed64(&out, actor);
    PutVarint64(&out, count);
  }
  return out;
}

Result<BranchCounts> DecodeCounts(ByteView in) {
  BranchCounts counts;
  while (!in.empty()) {
    uint64_t actor = 0;
    uint64_t count = 0;
    const bool read = GetFixed64(&in, &actor);
    const size_t before = in.size();
    if (!read || !GetVarint64(&in, &count) || count == 0 ||
        before - in.size() != static_cast<size_t>(VarintLength(count)) ||
        (!counts.empty() && counts.rbegin()->first >= actor)) {
      return Status::Corruption("note of a branch: malformed");
    }
    counts.emplace_hint(counts.end(), actor, count);
  }
  return counts;
}

}  // namespace kvfs::replication
