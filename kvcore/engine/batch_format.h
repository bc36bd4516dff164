// The tags of the entries of an encoded batch (doc/formats/batch.md).
#pragma once

#include <cstdint>

namespace kvfs::engine {

enum class BatchTag : uint8_t {
  kDelete = 0,      // key
  kPut = 1,         // key, value
  kPutBlob = 2,     // key, pointer
  kDeleteBlob = 3,  // key, pointer to what the key held
};

}  // namespace kvfs::engine
