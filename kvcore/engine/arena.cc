#include "kvcore/engine/arena.h"

#include <algorithm>
#include <cassert>

namespace kvfs::engine {
namespace {

constexpr size_t kMaxBlockBytes = 2u << 20;

}  // namespace

Arena::~Arena() {
  for (const Block& block : blocks_) {
    ::operator delete(block.begin, block.alignment);
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
    block_bytes_ = std::min(block_bytes_ * 2, kMaxBlockBytes);
  }
  char* result = next_;
  next_ += bytes;
  left_ -= bytes;
  return result;
}

char* Arena::NewBlock(size_t bytes) {
  const bool large = bytes >= kMaxBlockBytes;
  Block block{.alignment = std::align_val_t{large ? kMaxBlockBytes : alignof(std::max_align_t)}};
  blocks_.reserve(blocks_.size() + 1);
  block.begin = static_cast<char*>(::operator new(bytes, block.alignment));
  blocks_.push_back(block);
  if (large && memory_ != nullptr) {
    memory_->ExpectLongUse(block.begin, bytes);
  }
  memory_bytes_.store(memory_bytes_.load(std::memory_order_relaxed) + bytes,
                      std::memory_order_relaxed);
  return block.begin;
}

}  // namespace kvfs::engine
