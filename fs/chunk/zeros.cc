#include "fs/chunk/zeros.h"

#include <cstring>

namespace kvfs::fs {

ByteView WithoutTrailingZeros(ByteView bytes) {
  static constexpr char kZeros[4096] = {};
  size_t size = bytes.size();
  while (size >= sizeof(kZeros) &&
         std::memcmp(bytes.data() + size - sizeof(kZeros), kZeros, sizeof(kZeros)) == 0) {
    size -= sizeof(kZeros);
  }
  while (size > 0 && bytes[size - 1] == '\0') {
    --size;
  }
  return bytes.substr(0, size);
}

}  // namespace kvfs::fs
