#include "kvcore/engine/arena.h"

#include <algorithm>
#include <cassert>

namespace kvfs::engine {
namespace {

constexpr size_t kMaxBlockBytes = 1u << 20;

}  // namespace

char* Arena::Allocate(size_t bytes) {
  assert(bytes > 0);
  bytes = (bytes + alignof(void*) - 1) & ~(alignof(void*) - 1);
  used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  if (bytes > left_) {
    if (bytes > block_bytes_ / 4) {
      return NewBlock(bytes);  // its own block, so that the rest of the current one is not lost
    }
    next_ = NewBlock(block_bytes_);
    left_ = block_bytes_;
    block_bytes_ = std::min(block_bytes_ * 2, kMaxBlockBytes);
  }
  char* result = next_;
  next_ += bytes;
  left_ -= bytes;
  return result;
}

char* Arena::NewBlock(size_t bytes) {
  blocks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
  memory_bytes_.store(memory_bytes_.load(std::memory_order_relaxed) + bytes,
                      std::memory_order_relaxed);
  return blocks_.back().get();
}

}  // namespace kvfs::engine
