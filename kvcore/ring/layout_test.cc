#include "kvcore/ring/layout.h"

#include <gtest/gtest.h>

#include "kvcore/ring/ring_test_support.h"

namespace kvfs::ring {
namespace {

Layout Sample() {
  std::mt19937_64 random(3);
  LayoutSpec spec = test::Drawn(5, 12, &random);
  spec.datacentres.push_back({.name = "far", .replication_factor = 2});
  spec.members.push_back(test::MakeMember(7, "a", 5, "far"));
  spec.members.push_back(test::MakeMember(8, "", 0, "far"));
  auto layout = ComputeLayout(spec, nullptr);
  EXPECT_TRUE(layout.ok());
  return std::move(*layout);
}

TEST(LayoutCodec, RoundTrips) {
  const Layout layout = Sample();
  const Bytes encoded = Encode(layout);
  const auto decoded = DecodeLayout(encoded);
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(*decoded, layout);
  EXPECT_EQ(Encode(*decoded), encoded);
}

TEST(LayoutCodec, EveryTruncationIsRefused) {
  const Bytes encoded = Encode(Sample());
  for (size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_EQ(DecodeLayout(ByteView(encoded).substr(0, size)).status().code(), Code::kCorruption);
  }
  EXPECT_EQ(DecodeLayout(encoded + '\0').status().code(), Code::kCorruption);
}

// A flipped bit is refused, or makes another layout with another hash.
TEST(LayoutCodec, EveryFlipIsNoticed) {
  const Layout layout = Sample();
  const Bytes encoded = Encode(layout);
  int refused = 0;
  for (size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    Bytes damaged = encoded;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = DecodeLayout(damaged);
    if (!decoded.ok()) {
      EXPECT_EQ(decoded.status().code(), Code::kCorruption);
      ++refused;
    } else {
      EXPECT_EQ(Encode(*decoded), damaged);
      EXPECT_NE(decoded->id().hash, layout.id().hash);
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Layout, FindsMembersAndReplicas) {
  const Layout layout = Sample();
  ASSERT_NE(layout.FindMember(7), nullptr);
  EXPECT_EQ(layout.FindMember(7)->datacentre, "far");
  EXPECT_EQ(layout.FindMember(6), nullptr);
  for (uint32_t p = 0; p < layout.partition_count(); ++p) {
    EXPECT_TRUE(layout.Keeps(7, p));   // the only one there with a weight
    EXPECT_FALSE(layout.Keeps(8, p));  // drained
    EXPECT_FALSE(layout.Keeps(6, p));  // unknown
    for (const NodeId node : layout.PreferenceList(p)) {
      EXPECT_TRUE(layout.Keeps(node, p));
    }
  }
}

}  // namespace
}  // namespace kvfs::ring
