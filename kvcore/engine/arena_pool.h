// ArenaPool: large blocks that arenas have given back, for those that follow. Memory new to the
// process is cleared by the kernel when it is first touched, which for a block of the
// size of a huge page takes long enough to be felt by the write that does it; what a
// memtable leaves behind need not be cleared again. Shared by the arenas and the Db; thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "kvcore/env/memory.h"

namespace kvfs::engine {

class ArenaPool {
 public:
  // One huge page; aligned to as much.
  static constexpr size_t kBlockBytes = 2u << 20;

  // Keeps blocks of `max_bytes` in all. `memory` (may be null) is told of new ones.
  ArenaPool(uint64_t max_bytes, env::Memory* memory)
      : max_blocks_(max_bytes / kBlockBytes), memory_(memory) {}
  ~ArenaPool();
  ArenaPool(const ArenaPool&) = delete;
  ArenaPool& operator=(const ArenaPool&) = delete;

  char* Take();
  void Give(char* block);
  // Of the blocks it keeps.
  uint64_t MemoryBytes() const;

 private:
  const uint64_t max_blocks_;
  env::Memory* const memory_;
  mutable std::mutex mutex_;
  std::vector<char*> blocks_;  // [mutex_] the warmest last
};

}  // namespace kvfs::engine
