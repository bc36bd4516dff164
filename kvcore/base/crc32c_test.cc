#include "kvcore/base/crc32c.h"

#include <gtest/gtest.h>

#include <random>

namespace kvfs::crc32c {
namespace {

Bytes Ramp(int from, int step) {
  Bytes bytes;
  for (int i = 0; i < 32; ++i) {
    bytes.push_back(static_cast<char>(from + step * i));
  }
  return bytes;
}

// RFC 3720, appendix B.4.
TEST(Crc32cTest, PublishedVectors) {
  EXPECT_EQ(Value(Bytes(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Value(Bytes(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Value(Ramp(0, 1)), 0x46dd794eu);
  EXPECT_EQ(Value(Ramp(31, -1)), 0x113fdb5cu);
  const unsigned char read_command[48] = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
      0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  EXPECT_EQ(Value({reinterpret_cast<const char*>(read_command), sizeof(read_command)}),
            0xd9963a56u);
  EXPECT_EQ(Value("123456789"), 0xe3069283u);
  EXPECT_EQ(Value(""), 0u);
}

TEST(Crc32cTest, HardwareAndPortableAgree) {
  std::mt19937 random(1);
  Bytes bytes(1000, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random());
  }
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t size = 0; size < 200; ++size) {
      const ByteView part = ByteView(bytes).substr(begin, size);
      const auto crc = static_cast<uint32_t>(random());
      ASSERT_EQ(Extend(crc, part), ExtendPortable(crc, part)) << begin << " " << size;
    }
  }
}

// Long enough for streams side by side, of either length, and every rest.
TEST(Crc32cTest, HardwareAndPortableAgreeOnLongData) {
  std::mt19937 random(2);
  Bytes bytes(20'000, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random());
  }
  for (const size_t size :
       {767, 768, 769, 1535, 1536, 1543, 6143, 6144, 6145, 6911, 6912, 12'288, 13'056, 19'999}) {
    const ByteView part = ByteView(bytes).substr(1, size);
    const auto crc = static_cast<uint32_t>(random());
    EXPECT_EQ(Extend(crc, part), ExtendPortable(crc, part)) << size;
  }
}

TEST(Crc32cTest, ExtendingIsTheSameAsAllAtOnce) {
  const Bytes bytes = "a checksum over two parts";
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    EXPECT_EQ(Extend(Value(bytes.substr(0, cut)), bytes.substr(cut)), Value(bytes));
  }
}

TEST(Crc32cTest, MaskHidesTheChecksumAndComesBack) {
  for (uint32_t crc : {0u, 1u, 0xffffffffu, 0x8a9136aau}) {
    EXPECT_NE(Mask(crc), crc);
    EXPECT_NE(Mask(Mask(crc)), crc);
    EXPECT_EQ(Unmask(Mask(crc)), crc);
    EXPECT_EQ(Unmask(Unmask(Mask(Mask(crc)))), crc);
  }
}

}  // namespace
}  // namespace kvfs::crc32c
