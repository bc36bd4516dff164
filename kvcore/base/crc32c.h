// CRC-32C (Castagnoli; RFC 3720 appendix B.4), in hardware where the processor
// has SSE 4.2. A stored checksum is masked, so that a checksum over bytes that
// contain checksums stays strong.
#pragma once

#include <cstdint>

#include "kvcore/base/bytes.h"

namespace kvfs::crc32c {

// The CRC of A + data, where `crc` is the CRC of A.
uint32_t Extend(uint32_t crc, ByteView data);
// The same without special instructions; what Extend does where there are none.
uint32_t ExtendPortable(uint32_t crc, ByteView data);
inline uint32_t Value(ByteView data) { return Extend(0, data); }

// A rotation plus a constant, as in LevelDB's formats.
inline uint32_t Mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }
inline uint32_t Unmask(uint32_t masked) {
  const uint32_t rot = masked - 0xa282ead8u;
  return (rot >> 17) | (rot << 15);
}

}  // namespace kvfs::crc32c
