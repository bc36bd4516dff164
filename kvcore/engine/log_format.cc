#include "kvcore/engine/log_format.h"

#include "kvcore/base/coding.h"
#include "kvcore/base/crc32c.h"

namespace kvfs::engine {

uint32_t FragmentChecksum(uint64_t offset, ByteView covered) {
  char place[8];
  EncodeFixed64(place, offset);
  return crc32c::Mask(crc32c::Extend(crc32c::Value(ByteView(place, sizeof(place))), covered));
}

}  // namespace kvfs::engine
