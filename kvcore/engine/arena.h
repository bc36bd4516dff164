// Arena: memory handed out in small pieces and given back all at once. It grows by larger
// and larger blocks, at last of the size of a huge page, which come from a pool. One thread
// allocates; the byte counts may be asked for by any.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "kvcore/engine/arena_pool.h"

namespace kvfs::engine {

class Arena {
 public:
  // `pool`: null for one of its own, that keeps nothing.
  explicit Arena(std::shared_ptr<ArenaPool> pool = nullptr);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` > 0, aligned for a pointer.
  char* Allocate(size_t bytes);
  size_t UsedBytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  size_t MemoryBytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Block {
    char* begin = nullptr;
    bool pooled = false;
  };

  char* NewBlock(size_t bytes);

  const std::shared_ptr<ArenaPool> pool_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t block_bytes_ = 4096;  // of the next ordinary block; doubles up to 2 MiB
  std::vector<Block> blocks_;
  std::atomic<size_t> used_bytes_{0};
  std::atomic<size_t> memory_bytes_{0};
};

}  // namespace kvfs::engine
