// BlockBuilder: a block of ordered entries, each key without the prefix it shares
// with the one before it. Every `restart_interval` entries a whole key (a restart
// point), whose offsets stand at the end, for binary search:
//
//   entry*:  varint shared, varint unshared, varint value size, key suffix, value
//   u32 restart offset*, u32 count of restarts
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

class BlockBuilder {
 public:
  explicit BlockBuilder(uint32_t restart_interval);

  // REQUIRES: `internal_key` sorts after every one added since Reset.
  void Add(ByteView internal_key, ByteView value);
  // Appends the restart points; valid until Reset.
  ByteView Finish();
  void Reset();

  size_t SizeEstimate() const;  // of what Finish would return
  bool Empty() const { return buffer_.empty(); }
  const Bytes& last_key() const { return last_key_; }

 private:
  const uint32_t restart_interval_;
  Bytes buffer_;
  std::vector<uint32_t> restarts_;
  uint32_t since_restart_ = 0;
  Bytes last_key_;
};

}  // namespace kvfs::engine
