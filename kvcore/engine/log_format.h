// The format of log files (doc/formats/log.md), shared by writer and reader.
//
// A log is a sequence of 32 KiB blocks; a record is one fragment or several, none
// crossing a block's end. Where fewer bytes are left in a block than a header
// takes, they are zero. Each fragment:
//
//   u32 checksum    masked CRC-32C of: offset of the fragment in the file (u64), then
//                   everything after this field, payload included
//   u16 length      of the payload
//   u8  type
//   u32 log number  (low 32 bits): what an earlier use of a recycled file left is not ours
//   u32 synced up to: every byte of this log below that offset was durable, with the
//                   blobs it refers to, when this fragment was written. Damage below the greatest
//                   such promise is corruption; past it, a bad fragment is the end of the log.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

inline constexpr uint32_t kLogBlockBytes = 32u << 10;
inline constexpr uint32_t kLogHeaderBytes = 4 + 2 + 1 + 4 + 4;
// Offsets are 32 bits wide.
inline constexpr uint64_t kMaxLogBytes = UINT32_MAX;

enum class FragmentType : uint8_t {
  kNone = 0,  // what pre-written space reads as
  kFull = 1,
  kFirst = 2,
  kMiddle = 3,
  kLast = 4,
};
inline constexpr uint8_t kMaxFragmentType = 4;

struct FragmentHeader {
  uint32_t checksum = 0;  // masked
  uint16_t length = 0;
  FragmentType type = FragmentType::kNone;
  uint32_t log_number = 0;
  uint32_t synced_up_to = 0;
};

// The masked checksum of a fragment at `offset`; `covered` is everything after the checksum field.
uint32_t FragmentChecksum(uint64_t offset, ByteView covered);

}  // namespace kvfs::engine
