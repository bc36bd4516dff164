#include "kvcore/engine/arena_pool.h"

#include <new>

namespace kvfs::engine {
namespace {

constexpr std::align_val_t kAlignment{ArenaPool::kBlockBytes};

}  // namespace

ArenaPool::~ArenaPool() {
  for (char* block : blocks_) {
    ::operator delete(block, kAlignment);
  }
}

char* ArenaPool::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!blocks_.empty()) {
      char* block = blocks_.back();
      blocks_.pop_back();
      return block;
    }
  }
  char* block = static_cast<char*>(::operator new(kBlockBytes, kAlignment));
  if (memory_ != nullptr) {
    memory_->ExpectLongUse(block, kBlockBytes);
  }
  return block;
}

void ArenaPool::Give(char* block) {
  {
    const std::lock_guard lock(mutex_);
    if (blocks_.size() < max_blocks_) {
      blocks_.push_back(block);
      return;
    }
  }
  ::operator delete(block, kAlignment);
}

uint64_t ArenaPool::MemoryBytes() const {
  const std::lock_guard lock(mutex_);
  return blocks_.size() * kBlockBytes;
}

}  // namespace kvfs::engine
