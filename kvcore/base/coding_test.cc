#include "kvcore/base/coding.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace kvfs {
namespace {

std::vector<uint64_t> Interesting() {
  std::vector<uint64_t> values;
  for (int bit = 0; bit < 64; ++bit) {
    for (const uint64_t near : {uint64_t{1} << bit, (uint64_t{1} << bit) - 1}) {
      values.push_back(near);
      values.push_back(~near);
    }
  }
  return values;
}

TEST(CodingTest, FixedIsLittleEndianAndRoundTrips) {
  Bytes out;
  PutFixed32(&out, 0x04030201);
  PutFixed64(&out, 0x0c0b0a0908070605);
  EXPECT_EQ(ToHex(out), "0102030405060708090a0b0c");
  ByteView in = out;
  uint32_t small = 0;
  uint64_t big = 0;
  ASSERT_TRUE(GetFixed32(&in, &small));
  ASSERT_TRUE(GetFixed64(&in, &big));
  EXPECT_EQ(small, 0x04030201u);
  EXPECT_EQ(big, 0x0c0b0a0908070605u);
  EXPECT_TRUE(in.empty());
  EXPECT_FALSE(GetFixed32(&in, &small));
  in = ByteView(out).substr(0, 7);
  EXPECT_FALSE(GetFixed64(&in, &big));
  char buffer[8];
  EncodeFixed32(buffer, 7);
  EXPECT_EQ(DecodeFixed32(buffer), 7u);
  EncodeFixed64(buffer, uint64_t{1} << 40);
  EXPECT_EQ(DecodeFixed64(buffer), uint64_t{1} << 40);
}

TEST(CodingTest, BigEndianSortsAsNumbers) {
  Bytes last;
  for (uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{255}, uint64_t{256}, uint64_t{1} << 33,
                         std::numeric_limits<uint64_t>::max()}) {
    Bytes out;
    PutBigEndian64(&out, value);
    EXPECT_TRUE(last.empty() || last < out);
    last = out;
    ByteView in = out;
    uint64_t back = 0;
    ASSERT_TRUE(GetBigEndian64(&in, &back));
    EXPECT_EQ(back, value);
    EXPECT_TRUE(in.empty());
  }
  Bytes out;
  PutBigEndian16(&out, 0x0102);
  PutBigEndian32(&out, 0xfffefdfc);
  EXPECT_EQ(ToHex(out), "0102fffefdfc");
  ByteView in = out;
  uint16_t two = 0;
  uint32_t four = 0;
  uint64_t eight = 0;
  ASSERT_TRUE(GetBigEndian16(&in, &two));
  ASSERT_TRUE(GetBigEndian32(&in, &four));
  EXPECT_EQ(two, 0x0102);
  EXPECT_EQ(four, 0xfffefdfcu);
  EXPECT_FALSE(GetBigEndian16(&in, &two));
  in = ByteView(out).substr(0, 3);
  EXPECT_FALSE(GetBigEndian32(&in, &four));
  EXPECT_FALSE(GetBigEndian64(&in, &eight));
}

TEST(CodingTest, VarintsRoundTripAndRefuseEveryTruncation) {
  for (uint64_t value : Interesting()) {
    Bytes out;
    PutVarint64(&out, value);
    EXPECT_EQ(static_cast<int>(out.size()), VarintLength(value));
    EXPECT_LE(out.size(), static_cast<size_t>(kMaxVarint64Bytes));
    uint64_t back = 0;
    ByteView in = out;
    ASSERT_TRUE(GetVarint64(&in, &back));
    EXPECT_EQ(back, value);
    EXPECT_TRUE(in.empty());
    for (size_t cut = 0; cut < out.size(); ++cut) {
      in = ByteView(out).substr(0, cut);
      EXPECT_FALSE(GetVarint64(&in, &back)) << value << " cut to " << cut;
    }
    out += "rest";
    in = out;
    ASSERT_TRUE(GetVarint64(&in, &back));
    EXPECT_EQ(in, "rest");
    in = out;
    uint32_t narrow = 0;
    EXPECT_EQ(GetVarint32(&in, &narrow), value <= UINT32_MAX);
    if (value <= UINT32_MAX) {
      EXPECT_EQ(narrow, value);
    }
  }
}

TEST(CodingTest, HostileVarintsAreRefused) {
  uint64_t value = 0;
  const auto refused = [&](const Bytes& bytes) {
    ByteView in = bytes;
    return !GetVarint64(&in, &value);
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused(Bytes(9, '\xff')));
  EXPECT_TRUE(refused(Bytes(10, '\xff')));
  EXPECT_TRUE(refused(Bytes(100, '\x80')));
  EXPECT_TRUE(refused(Bytes(9, '\xff') + '\x02'));      // bit 64
  EXPECT_TRUE(refused(Bytes(9, '\x80') + "\x80\x01"));  // an eleventh byte
  EXPECT_FALSE(refused(Bytes(9, '\xff') + '\x01'));
  EXPECT_EQ(value, std::numeric_limits<uint64_t>::max());
}

TEST(CodingTest, LengthPrefixNeverReadsPastTheEnd) {
  Bytes out;
  PutLengthPrefixed(&out, "abc");
  PutLengthPrefixed(&out, "");
  PutLengthPrefixed(&out, Bytes(300, 'x'));
  ByteView in = out;
  ByteView value;
  ASSERT_TRUE(GetLengthPrefixed(&in, &value));
  EXPECT_EQ(value, "abc");
  ASSERT_TRUE(GetLengthPrefixed(&in, &value));
  EXPECT_EQ(value, "");
  ASSERT_TRUE(GetLengthPrefixed(&in, &value));
  EXPECT_EQ(value.size(), 300u);
  EXPECT_FALSE(GetLengthPrefixed(&in, &value));
  in = ByteView(out).substr(0, 3);
  EXPECT_FALSE(GetLengthPrefixed(&in, &value));
  Bytes huge;
  PutVarint64(&huge, std::numeric_limits<uint64_t>::max());
  huge += "abc";
  in = huge;
  EXPECT_FALSE(GetLengthPrefixed(&in, &value));
}

TEST(CodingTest, Hex) { EXPECT_EQ(ToHex(ByteView("\x00\x7f\xff", 3)), "007fff"); }

}  // namespace
}  // namespace kvfs
