// The messages between a watcher and the nodes, checked. Pure functions.
#pragma once

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/proto/watch.pb.h"

namespace kvfs::client {

// Bytes of a bitmap of all partitions.
constexpr size_t BitmapBytes(uint32_t partition_bits) {
  return ((size_t{1} << partition_bits) + 7) / 8;
}
// REQUIRES: the bitmap is of that many bits.
inline bool HasBit(ByteView bitmap, uint32_t bit) {
  return (static_cast<unsigned char>(bitmap[bit / 8]) >> (bit % 8) & 1) != 0;
}
inline void SetBit(Bytes* bitmap, uint32_t bit) {
  (*bitmap)[bit / 8] = static_cast<char>((*bitmap)[bit / 8] | 1 << (bit % 8));
}

// kInvalidArgument: not what a peer of ours would send.
Result<replication::pb::WatchRequest> ParseWatchRequest(ByteView body, uint32_t partition_bits);
Result<replication::pb::ChangedNotice> ParseChangedNotice(ByteView body);

}  // namespace kvfs::client
