// WriteBuffer: bytes written to a file and not published yet, as runs. A run never
// crosses a chunk boundary, so a chunk written from end to end is one run that can
// be hashed where it lies. One user at a time; const calls may run beside each other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::fs {

class WriteBuffer {
 public:
  explicit WriteBuffer(uint32_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  void Write(uint64_t offset, ByteView data);

  bool empty() const { return runs_.empty(); }
  // Just after the last byte written; 0 if empty.
  uint64_t end() const;
  // What it costs to keep.
  uint64_t memory_bytes() const { return memory_bytes_; }
  // How many chunks it touches.
  uint64_t chunk_count() const { return chunk_count_; }

  // fn(offset, bytes) for what is here of [begin, end), ascending.
  template <typename Fn>
  void ForEach(uint64_t begin, uint64_t end, Fn fn) const {
    auto it = runs_.upper_bound(begin);
    if (it != runs_.begin()) {
      --it;
    }
    for (; it != runs_.end() && it->first < end; ++it) {
      const uint64_t from = std::max(begin, it->first);
      const uint64_t to = std::min<uint64_t>(end, it->first + it->second.size());
      if (from < to) {
        fn(from, ByteView(it->second).substr(from - it->first, to - from));
      }
    }
  }
  // Whether every byte of [begin, end) is here.
  bool Covers(uint64_t begin, uint64_t end) const;
  // The numbers of the chunks that have bytes here, ascending.
  std::vector<uint64_t> Chunks() const;

 private:
  using Runs = std::map<uint64_t, Bytes>;

  void WriteInChunk(uint64_t offset, ByteView data);
  void Append(Runs::iterator run, ByteView data);
  static uint64_t CostOf(const Bytes& run) { return run.capacity() + kRunOverhead; }

  static constexpr uint64_t kRunOverhead = 96;  // node of the map, headers of the allocator

  const uint32_t chunk_bytes_;
  Runs runs_;  // by offset; disjoint, some adjacent
  uint64_t memory_bytes_ = 0;
  uint64_t chunk_count_ = 0;
};

}  // namespace kvfs::fs
