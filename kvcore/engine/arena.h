// Arena: memory handed out in small pieces and given back all at once. It grows by larger
// and larger blocks, at last of the size of a huge page. One thread allocates; the byte
// counts may be asked for by any.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>
#include <vector>

#include "kvcore/env/memory.h"

namespace kvfs::engine {

class Arena {
 public:
  // `memory` (may be null) is told of the large blocks.
  explicit Arena(env::Memory* memory = nullptr) : memory_(memory) {}
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
    std::align_val_t alignment{};
  };

  char* NewBlock(size_t bytes);

  env::Memory* const memory_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t block_bytes_ = 4096;  // of the next ordinary block; doubles up to 2 MiB
  std::vector<Block> blocks_;
  std::atomic<size_t> used_bytes_{0};
  std::atomic<size_t> memory_bytes_{0};
};

}  // namespace kvfs::engine
