#include "kvcore/replication/keys.h"

#include <gtest/gtest.h>

#include <random>

namespace kvfs::replication {
namespace {

ChunkId IdOf(ByteView data) { return Sha256(data); }

TEST(Keys, PlacesComeFromTheHash) {
  const Sha256Digest digest = Sha256("some directory");
  EXPECT_EQ(PlaceOf("some directory"), digest[0] << 8 | digest[1]);
  const ChunkId chunk = IdOf("x");
  EXPECT_EQ(PlaceOf("C" + Bytes(AsBytes(chunk))), PlaceOf(chunk));
  EXPECT_EQ(PartitionOf(0xabcd, 8), 0xabu);
  EXPECT_EQ(PartitionOf(0xabcd, 0), 0u);
  EXPECT_EQ(PartitionOf(0xabcd, 16), 0xabcdu);
  EXPECT_EQ(FirstPlace(0xab, 8), 0xab00);
}

TEST(Keys, AChunkAndItsReferencesAreNeighboursBytesFirst) {
  const ChunkId id = IdOf("y");
  const Bytes data = ChunkDataKey(id);
  const auto [begin, end] = ChunkRefRange(id);
  const Bytes first = ChunkRefKey(id, {0, 0, 0, 0});
  const Bytes later = ChunkRefKey(id, {1, 256, 0, 3});
  const Bytes last = ChunkRefKey(id, {UINT64_MAX, UINT64_MAX, 255, UINT64_MAX});
  EXPECT_LT(data, begin);
  EXPECT_LE(begin, first);
  EXPECT_LT(first, later);
  EXPECT_LT(later, last);
  EXPECT_LT(last, end);
}

TEST(Keys, WorkIsOrderedByDueThenKindThenId) {
  const std::vector<WorkKey> ordered = {{INT64_MIN, 0, "a"}, {-1, 9, "z"},         {0, 0, "a"},
                                        {1, 0, "b"},         {1, 1, "a"},          {1, 1, "b"},
                                        {256, 0, "a"},       {INT64_MAX, 255, "z"}};
  for (size_t i = 0; i < ordered.size(); ++i) {
    const Bytes key = WorkItemKey(7, ordered[i]);
    const auto parsed = ParseKey(key, true);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->kind, KeyKind::kWork);
    const auto decoded = DecodeWorkCk(parsed->ck);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, ordered[i]);
    if (i > 0) {
      EXPECT_LT(WorkItemKey(7, ordered[i - 1]), key);
    }
  }
}

TEST(Keys, EveryKindIsRecognised) {
  const ChunkId id = IdOf("z");
  const ChunkRef ref{3, 4, 1, 5};
  const auto kind = [](ByteView key) { return ParseKey(key, true).value().kind; };
  EXPECT_EQ(kind(NodeLocalKey("dots")), KeyKind::kNodeLocal);
  EXPECT_EQ(kind(PkPrefix("dir") + "name"), KeyKind::kItem);
  EXPECT_EQ(kind(PkPrefix("dir") + Bytes(1, kStateCk)), KeyKind::kState);
  EXPECT_EQ(kind(ChunkDataKey(id)), KeyKind::kChunkData);
  EXPECT_EQ(kind(OutcomeKey("dir", {1, 2})), KeyKind::kOutcome);
  const WorkKey work{-7, 3, "job"};
  const Bytes line = PkPrefix("dir") + kPkWorkCk + WorkCk(work);
  EXPECT_EQ(kind(line), KeyKind::kPkWork);
  EXPECT_EQ(DecodePkWorkCk(ParseKey(line, true)->ck).value(), work);
  EXPECT_FALSE(ParseKey(PkPrefix("dir") + kPkWorkCk + "short", true).ok());
  const Bytes ref_key = ChunkRefKey(id, ref);
  const auto parsed = ParseKey(ref_key, true);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->kind, KeyKind::kChunkRef);
  EXPECT_EQ(ChunkIdOfPk(parsed->pk), id);
  EXPECT_EQ(DecodeRefCk(parsed->ck).value(), ref);
}

TEST(Keys, WrongPlaceIsSeen) {
  Bytes key = PkPrefix("dir") + "name";
  key[1] = static_cast<char>(key[1] ^ 1);
  EXPECT_FALSE(ParseKey(key, true).ok());
  EXPECT_TRUE(ParseKey(key, false).ok());
}

TEST(Keys, AnyBytesAreParsedOrRefused) {
  std::mt19937 random(3);
  for (int i = 0; i < 200'000; ++i) {
    Bytes key(random() % 60, '\0');
    for (char& c : key) {
      c = static_cast<char>(random() % 4 == 0 ? random() : random() % 3);
    }
    const auto parsed = ParseKey(key, i % 2 == 0);
    if (!parsed.ok()) {
      EXPECT_EQ(parsed.status().code(), Code::kCorruption);
    } else if (parsed->kind == KeyKind::kWork) {
      (void)DecodeWorkCk(parsed->ck).ok();
    } else if (parsed->kind == KeyKind::kChunkRef) {
      (void)DecodeRefCk(parsed->ck).ok();
    }
  }
}

TEST(Keys, PrefixEnd) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff\xff"), "");
}

}  // namespace
}  // namespace kvfs::replication
