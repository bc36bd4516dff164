// SimFileContent: the bytes of one simulated file, as the kernel shows them and
// as they are on the disk. Not thread-safe.
//
// What a power loss may leave of the changes since the last sync: each sector of
// 512 bytes as it was after any one of the changes to it (it is written whole,
// from the page cache, at some moment); the size after any one of the changes;
// zeros where the file grew but a sector was never written. Truncations are
// journaled: they survive in order, and a change made after a truncation reaches
// the disk only if the truncation did.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/env/random.h"

namespace kvfs::env::sim {

// How much of what is unsynced a power loss leaves.
enum class Survival : uint8_t { kNothing, kEverything, kOneMoment, kAnything };

class SimFileContent {
 public:
  static constexpr uint64_t kSector = 512;

  const Bytes& current() const { return current_; }
  const Bytes& durable() const { return durable_; }

  void Write(uint64_t offset, ByteView data);
  void Truncate(uint64_t size);
  void Sync();
  // A sync that failed: the kernel takes the pages for clean, so what was unsynced is still shown
  // but no later sync writes it, unless its sector is written again.
  void ForgetUnsynced() { changes_.clear(); }
  void LosePower(Random& random, Survival survival);
  // Damage on the disk, visible at once. REQUIRES: offset < current().size()
  void FlipBits(uint64_t offset, unsigned char mask);

 private:
  struct Change {
    bool truncate;
    uint64_t offset;  // of the data; the new size of a truncation
    Bytes data;
    uint64_t size_after;
  };
  static void ApplyToSector(const Change& change, uint64_t sector, Bytes* image);

  Bytes current_;
  Bytes durable_;
  std::vector<Change> changes_;  // since the last sync
};

}  // namespace kvfs::env::sim
