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
// The instruction takes three cycles but one can begin in each, so three streams run side by side,
// each over a part of so many bytes; what joins them is the effect of as many zero bytes.
template <size_t kBytes>
class ZeroBytes {
 public:
  constexpr ZeroBytes() {
    // Column i: what bit i of the register becomes after one zero bit, squared until it is after
    // all of them.
    std::array<uint32_t, 32> columns{0x82f63b78u};
    for (uint32_t i = 1; i < 32; ++i) {
      columns[i] = uint32_t{1} << (i - 1);
    }
    for (size_t bits = 8 * kBytes; bits > 1; bits /= 2) {
      std::array<uint32_t, 32> squared{};
      for (size_t i = 0; i < 32; ++i) {
        squared[i] = Times(columns, columns[i]);
      }
      columns = squared;
    }
    for (uint32_t byte = 0; byte < 4; ++byte) {
      for (uint32_t value = 0; value < 256; ++value) {
        table_[byte][value] = Times(columns, value << (8 * byte));
      }
    }
  }
  constexpr uint32_t operator()(uint32_t crc) const {
    return table_[0][crc & 0xff] ^ table_[1][(crc >> 8) & 0xff] ^ table_[2][(crc >> 16) & 0xff] ^
           table_[3][crc >> 24];
  }

 private:
  static_assert((kBytes & (kBytes - 1)) == 0);

  static constexpr uint32_t Times(const std::array<uint32_t, 32>& columns, uint32_t vector) {
    uint32_t sum = 0;
    for (size_t i = 0; vector != 0; ++i, vector >>= 1) {
      sum ^= (vector & 1) != 0 ? columns[i] : 0;
    }
    return sum;
  }

  std::array<std::array<uint32_t, 256>, 4> table_{};
};

constexpr ZeroBytes<256> kAfter256;
constexpr ZeroBytes<2048> kAfter2048;

template <size_t kBytes>
__attribute__((target("sse4.2"))) inline uint64_t ThreeStreams(uint64_t crc, const char* p,
                                                               const ZeroBytes<kBytes>& after) {
  uint64_t second = 0;
  uint64_t third = 0;
  for (const char* const end = p + kBytes; p < end; p += 8) {
    crc = _mm_crc32_u64(crc, DecodeFixed64(p));
    second = _mm_crc32_u64(second, DecodeFixed64(p + kBytes));
    third = _mm_crc32_u64(third, DecodeFixed64(p + 2 * kBytes));
  }
  return after(after(static_cast<uint32_t>(crc)) ^ static_cast<uint32_t>(second)) ^ third;
}

__attribute__((target("sse4.2"))) uint32_t ExtendSse42(uint32_t crc, ByteView data) {
  uint64_t acc = ~crc;
  const char* p = data.data();
  size_t n = data.size();
  for (constexpr size_t kStep = 3 * size_t{2048}; n >= kStep; p += kStep, n -= kStep) {
    acc = ThreeStreams(acc, p, kAfter2048);
  }
  for (constexpr size_t kStep = 3 * size_t{256}; n >= kStep; p += kStep, n -= kStep) {
    acc = ThreeStreams(acc, p, kAfter256);
  }
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
