// MissRegions: where in one table file blocks have been missed in memory. Two misses
// near each other say that more will come, and one large read costs hardly more than a
// small one: the region is then worth fetching whole. Each region is fetched once at most
// for as long as the table is open, so that however lookups fall, and however little memory there
// is, no more than the file is read on a guess. Owned by the Table; thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace kvfs::engine {

class MissRegions {
 public:
  static constexpr uint64_t kRegionBytes = 256u << 10;
  // Of the some sixty blocks of a region.
  static constexpr uint8_t kMissesToFetch = 2;

  explicit MissRegions(uint64_t file_bytes)
      : count_(file_bytes / kRegionBytes + 1),
        misses_(std::make_unique<std::atomic<uint8_t>[]>(count_)) {}

  // A block at `offset` had to be read. True: now its region is to be read, from Begin(offset) on.
  bool Note(uint64_t offset) {
    const uint64_t region = offset / kRegionBytes;
    if (region >= count_ || misses_[region].load(std::memory_order_relaxed) >= kMissesToFetch) {
      return false;
    }
    return misses_[region].fetch_add(1, std::memory_order_relaxed) + 1 == kMissesToFetch;
  }
  static uint64_t Begin(uint64_t offset) { return offset / kRegionBytes * kRegionBytes; }

  uint64_t MemoryBytes() const { return count_; }

 private:
  const uint64_t count_;
  const std::unique_ptr<std::atomic<uint8_t>[]> misses_;  // counted up to kMissesToFetch
};

}  // namespace kvfs::engine
