#include "kvcore/base/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "kvcore/base/coding.h"

namespace kvfs::crc32c {
namespace {

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    table[i] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t ExtendSse42(uint32_t crc, ByteView data) {
  uint64_t acc = ~crc;
  const char* p = data.data();
  size_t n = data.size();
  for (; n >= 8; p += 8, n -= 8) {
    acc = _mm_crc32_u64(acc, DecodeFixed64(p));
  }
  auto acc32 = static_cast<uint32_t>(acc);
  for (; n > 0; ++p, --n) {
    acc32 = _mm_crc32_u8(acc32, static_cast<unsigned char>(*p));
  }
  return ~acc32;
}
#endif

}  // namespace

uint32_t ExtendPortable(uint32_t crc, ByteView data) {
  crc = ~crc;
  for (unsigned char c : data) {
    crc = (crc >> 8) ^ kTable[(crc ^ c) & 0xff];
  }
  return ~crc;
}

uint32_t Extend(uint32_t crc, ByteView data) {
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) {
    return ExtendSse42(crc, data);
  }
#endif
  return ExtendPortable(crc, data);
}

}  // namespace kvfs::crc32c
