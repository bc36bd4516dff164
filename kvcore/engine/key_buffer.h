// KeyBuffer: a key that is rebuilt over and over, mostly from the one before it. Keys of
// usual length need no memory of their own. A value of one thread; neither copied nor moved.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <memory>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

class KeyBuffer {
 public:
  KeyBuffer() = default;
  KeyBuffer(const KeyBuffer&) = delete;
  KeyBuffer& operator=(const KeyBuffer&) = delete;

  ByteView view() const { return {data_, size_}; }
  operator ByteView() const { return view(); }
  size_t size() const { return size_; }

  void Clear() { size_ = 0; }
  // Keeps the first `kept` bytes and puts `suffix` behind them. REQUIRES: kept <= size(); the
  // suffix lies elsewhere.
  void Extend(size_t kept, ByteView suffix) {
    assert(kept <= size_);
    const size_t size = kept + suffix.size();
    if (size > capacity_) {
      Grow(kept, size);
    }
    if (!suffix.empty()) {
      std::memcpy(data_ + kept, suffix.data(), suffix.size());
    }
    size_ = size;
  }
  void Assign(ByteView key) { Extend(0, key); }

 private:
  void Grow(size_t kept, size_t size) {
    const size_t capacity = std::max(size, 2 * capacity_);
    auto longer = std::make_unique_for_overwrite<char[]>(capacity);
    std::memcpy(longer.get(), data_, kept);
    long_ = std::move(longer);
    data_ = long_.get();
    capacity_ = capacity;
  }

  char inline_[120];
  char* data_ = inline_;
  size_t size_ = 0;
  size_t capacity_ = sizeof(inline_);
  std::unique_ptr<char[]> long_;
};

}  // namespace kvfs::engine
