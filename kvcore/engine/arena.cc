#include "kvcore/engine/arena.h"

#include <algorithm>
#include <cassert>
#include <new>

namespace kvfs::engine {

Arena::Arena(std::shared_ptr<ArenaPool> pool)
    : pool_(pool != nullptr ? std::move(pool) : std::make_shared<ArenaPool>(0, nullptr)) {}

Arena::~Arena() {
  for (const Block& block : blocks_) {
    if (block.pooled) {
      pool_->Give(block.begin);
    } else {
      ::operator delete(block.begin);
    }
  }
}

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
    block_bytes_ = std::min(block_bytes_ * 2, ArenaPool::kBlockBytes);
  }
  char* result = next_;
  next_ += bytes;
  left_ -= bytes;
  return result;
}

char* Arena::NewBlock(size_t bytes) {
  const bool pooled = bytes == ArenaPool::kBlockBytes;
  blocks_.reserve(blocks_.size() + 1);
  char* begin = pooled ? pool_->Take() : static_cast<char*>(::operator new(bytes));
  blocks_.push_back({begin, pooled});
  memory_bytes_.store(memory_bytes_.load(std::memory_order_relaxed) + bytes,
                      std::memory_order_relaxed);
  return begin;
}

}  // namespace kvfs::engine
