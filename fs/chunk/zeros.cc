#include "fs/chunk/zeros.h"

#include <cstring>

namespace kvfs::fs {

bool IsAllZero(ByteView bytes) {
  // Bytes that equal their neighbours and begin with zero are all zero; memcmp is vectorised.
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace kvfs::fs
