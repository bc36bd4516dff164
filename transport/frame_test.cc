#include "transport/frame.h"

#include <gtest/gtest.h>

namespace kvfs::transport {
namespace {

constexpr ClusterId kOurs = {'o', 'u', 'r', 's'};

FrameHeader Sample() {
  return {.lane = env::Lane::kBulk,
          .type = 0x1234,
          .cluster = kOurs,
          .sender = 0x1122334455667788,
          .storage_epoch = 99,
          .request_id = 1234567,
          .layout_number = 42,
          .remaining_millis = 1500};
}

struct Parts {
  Bytes header;
  Bytes body;
  std::vector<Bytes> data;
  Result<FrameHeader, FrameError> Decode() const {
    std::vector<ByteView> parts = {header, body};
    parts.insert(parts.end(), data.begin(), data.end());
    return DecodeHeader(parts, kOurs);
  }
};

Parts SampleParts() {
  Parts parts{.header = {}, .body = "the body", .data = {"one", "", "three"}};
  parts.header = EncodeHeader(Sample(), parts.body, parts.data);
  return parts;
}

FrameError ErrorOf(const Parts& parts) {
  const auto decoded = parts.Decode();
  EXPECT_FALSE(decoded.ok());
  return decoded.error();
}

TEST(Frame, RoundTrips) {
  const auto decoded = SampleParts().Decode();
  ASSERT_TRUE(decoded.ok());
  FrameHeader expected = Sample();
  expected.data_frames = 3;
  EXPECT_EQ(*decoded, expected);
  Parts bare{.header = EncodeHeader(Sample(), "", {}), .body = "", .data = {}};
  EXPECT_TRUE(bare.Decode().ok());
}

TEST(Frame, EveryTruncationIsRefused) {
  const Parts whole = SampleParts();
  for (size_t size = 0; size < whole.header.size(); ++size) {
    Parts parts = whole;
    parts.header.resize(size);
    EXPECT_EQ(ErrorOf(parts), FrameError::kMalformed);
  }
  Parts parts = whole;
  parts.header.push_back('\0');
  EXPECT_EQ(ErrorOf(parts), FrameError::kMalformed);
  EXPECT_FALSE(DecodeHeader({}, kOurs).ok());
  EXPECT_FALSE(DecodeHeader({whole.header}, kOurs).ok());
}

TEST(Frame, EveryFlippedBitIsRefused) {
  const Parts whole = SampleParts();
  const auto flip = [](Bytes* bytes, size_t bit) {
    (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << (bit % 8)));
  };
  for (size_t bit = 0; bit < whole.header.size() * 8; ++bit) {
    Parts parts = whole;
    flip(&parts.header, bit);
    EXPECT_FALSE(parts.Decode().ok()) << bit;
  }
  for (size_t bit = 0; bit < whole.body.size() * 8; ++bit) {
    Parts parts = whole;
    flip(&parts.body, bit);
    EXPECT_EQ(ErrorOf(parts), FrameError::kChecksum);
  }
  Parts parts = whole;
  flip(&parts.data[2], 3);
  EXPECT_EQ(ErrorOf(parts), FrameError::kChecksum);
}

TEST(Frame, PartsMayNotBeMissingSwappedOrResplit) {
  Parts parts = SampleParts();
  parts.data.pop_back();
  EXPECT_EQ(ErrorOf(parts), FrameError::kMalformed);
  parts = SampleParts();
  std::swap(parts.data[0], parts.data[2]);
  EXPECT_EQ(ErrorOf(parts), FrameError::kChecksum);
  parts = SampleParts();
  parts.data[0] = "on";
  parts.data[1] = "e";
  EXPECT_EQ(ErrorOf(parts), FrameError::kChecksum);
}

TEST(Frame, OtherClustersAndVersionsAreToldApart) {
  FrameHeader header = Sample();
  header.cluster[0] = 'x';
  Parts parts{.header = EncodeHeader(header, "", {}), .body = "", .data = {}};
  EXPECT_EQ(ErrorOf(parts), FrameError::kOtherCluster);
  header = Sample();
  header.version = 2;
  parts.header = EncodeHeader(header, "", {});
  EXPECT_EQ(ErrorOf(parts), FrameError::kVersion);
  parts.header += "whatever a later version has";
  EXPECT_EQ(ErrorOf(parts), FrameError::kVersion);
  header = Sample();
  header.sender = 0;
  parts.header = EncodeHeader(header, "", {});
  EXPECT_EQ(ErrorOf(parts), FrameError::kMalformed);
}

}  // namespace
}  // namespace kvfs::transport
