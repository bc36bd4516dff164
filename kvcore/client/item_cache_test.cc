#include "kvcore/client/item_cache.h"

#include <gtest/gtest.h>

namespace kvfs::client {
namespace {

using replication::PkState;

constexpr char kPk[] = "pk";
constexpr int64_t kSecond = 1'000'000;

PkState State(uint64_t seq, uint64_t epoch = 1) { return {{epoch, 7}, seq}; }

Item Made(const Bytes& ck, const Bytes& value, uint64_t counter = 1) {
  Item item;
  item.ck = ck;
  item.version = {9, counter};
  item.siblings.push_back({.dot = {9, counter}, .time = 5, .tombstone = false, .value = value});
  return item;
}

class ItemCacheTest : public testing::Test {
 protected:
  // The value; "-": it is absent; "?": not known.
  Bytes Find(const Bytes& ck, int64_t now = kSecond, const Bytes& pk = kPk) const {
    const auto found = cache_.Find(pk, ck, now);
    return !found.has_value() ? "?" : !found->has_value() ? "-" : (*found)->value();
  }
  void Read(uint64_t seq, const Bytes& ck, const Bytes& value, const Bytes& pk = kPk) {
    ItemCache::Found found;
    found.emplace_back(ck, Made(ck, value));
    cache_.Read(pk, cache_.Begin(pk, kSecond), State(seq), std::move(found), {});
  }
  void ReadRange(uint64_t seq, const Bytes& begin, const Bytes& end) {
    std::vector<ItemCache::Range> ranges;
    ranges.push_back({begin, end});
    cache_.Read(kPk, cache_.Begin(kPk, kSecond), State(seq), {}, std::move(ranges));
  }
  void Write(uint64_t seq, const Bytes& ck, const Bytes& value) {
    cache_.Wrote(kPk, cache_.Begin(kPk, kSecond), State(seq), {{Write::Kind::kPut, ck, value}},
                 {9, 100 + seq}, 50 + seq);
  }

  ItemCacheOptions options_{.max_age_micros = kSecond, .max_items = 20, .max_items_of_pk = 10};
  ItemCache cache_{options_};
};

TEST_F(ItemCacheTest, KnowsWhatWasReadForAWhile) {
  EXPECT_EQ(Find("a"), "?");
  Read(1, "a", "one");
  EXPECT_EQ(Find("a"), "one");
  EXPECT_EQ(Find("b"), "?");
  EXPECT_EQ(Find("a", 2 * kSecond - 1), "one");
  EXPECT_EQ(Find("a", 2 * kSecond), "?");
}

TEST_F(ItemCacheTest, KnowsWhatIsAbsentInARangeThatWasReadWhole) {
  ReadRange(1, "d", "e");
  EXPECT_EQ(Find("d"), "-");
  EXPECT_EQ(Find("dx"), "-");
  EXPECT_EQ(Find("e"), "?");
  Read(1, "dx", "there");
  EXPECT_EQ(Find("dx"), "there");
}

TEST_F(ItemCacheTest, OwnWritesInARowKeepTheRest) {
  Read(4, "a", "one");
  ReadRange(4, "d", "e");
  Write(5, "dx", "new");
  Write(6, "dy", "newer");
  EXPECT_EQ(Find("a"), "one");
  EXPECT_EQ(Find("dx"), "new");
  EXPECT_EQ(Find("dz"), "-");
  const auto item = cache_.Find(kPk, "dy", kSecond);
  EXPECT_EQ((*item)->version, (VersionId{9, 106}));
  EXPECT_EQ((*item)->siblings[0].dot, (Dot{9, 106}));
  EXPECT_EQ((*item)->siblings[0].time, 56u);
  cache_.Wrote(kPk, cache_.Begin(kPk, kSecond), State(7), {{Write::Kind::kErase, "dx", {}}}, {}, 1);
  EXPECT_EQ(Find("dx"), "-");
}

TEST_F(ItemCacheTest, AWriteAfterSomebodyElsesKeepsNothingElse) {
  Read(4, "a", "one");
  ReadRange(4, "d", "e");
  Write(6, "b", "own");
  EXPECT_EQ(Find("a"), "?");
  EXPECT_EQ(Find("d"), "?");
  EXPECT_EQ(Find("b"), "own");
}

TEST_F(ItemCacheTest, AnotherReignIsNotTheNextTransaction) {
  Read(4, "a", "one");
  cache_.Wrote(kPk, cache_.Begin(kPk, kSecond), State(5, 2), {{Write::Kind::kPut, "b", "own"}}, {},
               1);
  EXPECT_EQ(Find("a"), "?");
  EXPECT_EQ(Find("b"), "own");
}

TEST_F(ItemCacheTest, WhatIsLateTellsNothing) {
  Read(4, "a", "four");
  Write(5, "a", "five");
  Read(4, "a", "late");
  EXPECT_EQ(Find("a"), "five");
  Write(7, "a", "seven");
  Write(6, "b", "six");
  EXPECT_EQ(Find("a"), "seven");
  EXPECT_EQ(Find("b"), "?");
}

TEST_F(ItemCacheTest, SeeingALaterStateThrowsAwayTheRest) {
  Read(4, "a", "one");
  cache_.Saw(kPk, cache_.Begin(kPk, kSecond / 2), State(4));
  EXPECT_EQ(Find("a"), "one");
  cache_.Saw(kPk, cache_.Begin(kPk, 3 * kSecond / 2), State(4));
  EXPECT_EQ(Find("a", 2 * kSecond), "one") << "it was so still";
  cache_.Saw(kPk, cache_.Begin(kPk, kSecond), State(5));
  EXPECT_EQ(Find("a"), "?");
}

TEST_F(ItemCacheTest, WhatWasUnderWayWhenOthersChangedThePkTellsNothing) {
  const auto ticket = cache_.Begin(kPk, kSecond);
  cache_.Drop(kPk);
  ItemCache::Found found;
  found.emplace_back("a", Made("a", "old"));
  cache_.Read(kPk, ticket, State(4), found, {});
  cache_.Wrote(kPk, ticket, State(5), {{Write::Kind::kPut, "b", "own"}}, {}, 1);
  EXPECT_EQ(Find("a"), "?");
  EXPECT_EQ(Find("b"), "?");
  const auto other = cache_.Begin(kPk, kSecond);
  cache_.Clear();
  (void)cache_.Begin(kPk, kSecond);
  cache_.Read(kPk, other, State(6), found, {});
  EXPECT_EQ(Find("a"), "?");
}

TEST_F(ItemCacheTest, AWriteThatWasUnderWayIsNotHiddenByWhatWasReadBeforeIt) {
  const auto ticket = cache_.Begin(kPk, kSecond);
  cache_.Drop(kPk);
  const auto read = cache_.Begin(kPk, kSecond);
  cache_.Wrote(kPk, ticket, State(5), {{Write::Kind::kPut, "a", "own"}}, {}, 1);
  ItemCache::Found found;
  found.emplace_back("a", Made("a", "old"));
  cache_.Read(kPk, read, State(4), found, {});
  EXPECT_EQ(Find("a"), "?");
  Read(4, "a", "old");
  cache_.Wrote(kPk, ticket, State(5), {{Write::Kind::kPut, "a", "own"}}, {}, 1);
  EXPECT_EQ(Find("a"), "?");
  cache_.Read(kPk, read, State(4), std::move(found), {});
  EXPECT_EQ(Find("a"), "?");
  Read(5, "a", "own");
  EXPECT_EQ(Find("a"), "own");
}

TEST_F(ItemCacheTest, OfSomeKeysNothingIsKept) {
  Read(4, "a", "one");
  cache_.SetKept(kPk, false);
  EXPECT_EQ(Find("a"), "?");
  Read(4, "a", "one");
  Write(5, "b", "own");
  EXPECT_EQ(Find("a"), "?");
  EXPECT_EQ(Find("b"), "?");
  cache_.SetKept(kPk, true);
  Read(5, "a", "one");
  EXPECT_EQ(Find("a"), "one");
}

TEST_F(ItemCacheTest, IsBounded) {
  for (int i = 0; i < 11; ++i) {
    Read(1, "a" + std::to_string(i), "x");
  }
  EXPECT_EQ(cache_.items(), 0u) << "more than of one pk";
  for (int i = 0; i < 30; ++i) {
    const Bytes pk = "pk" + std::to_string(i);
    Read(1, "a", "x", pk);
    Read(1, "b", "x", pk);
    EXPECT_LE(cache_.items(), 20u);
    EXPECT_EQ(Find("b", kSecond, pk), "x");
  }
  EXPECT_EQ(Find("b", kSecond, "pk28"), "x");
  EXPECT_EQ(Find("b", kSecond, "pk20"), "?");
}

TEST_F(ItemCacheTest, RemembersWhereThereIsMuch) {
  (void)cache_.Begin(kPk, kSecond);
  EXPECT_FALSE(cache_.HasMany(kPk, 'd'));
  cache_.NoteMany(kPk, 'd');
  cache_.Drop(kPk);
  EXPECT_TRUE(cache_.HasMany(kPk, 'd'));
  EXPECT_FALSE(cache_.HasMany(kPk, 'i'));
}

TEST(ItemCache, KeepsNothingWhereItIsToKeepNothing) {
  ItemCache cache({.max_age_micros = 0});
  ItemCache::Found found;
  found.emplace_back("a", Made("a", "x"));
  cache.Read(kPk, cache.Begin(kPk, 0), State(1), std::move(found), {});
  EXPECT_FALSE(cache.Find(kPk, "a", 0).has_value());
}

}  // namespace
}  // namespace kvfs::client
