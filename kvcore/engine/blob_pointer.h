// BlobPointer: where a large value lies. The logical file number stays the same
// when garbage collection rewrites the file, so nothing that holds a pointer ever
// needs updating (the file's offset index maps ordinals to places).
#pragma once

#include <cstdint>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

struct BlobPointer {
  uint64_t file = 0;         // logical file
  uint32_t ordinal = 0;      // position within it, counted from 0
  uint32_t raw_size = 0;     // bytes of the value
  uint32_t stored_size = 0;  // bytes it takes in the file, compressed, with its header

  bool operator==(const BlobPointer&) const = default;
};

void EncodeBlobPointer(const BlobPointer& pointer, Bytes* out);  // four varints
bool DecodeBlobPointer(ByteView* in, BlobPointer* pointer);

}  // namespace kvfs::engine
