#include "kvcore/engine/memtable.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

namespace kvfs::engine {
namespace {

Bytes Key(ByteView user_key, uint64_t sequence, EntryType type = EntryType::kValue) {
  Bytes key;
  AppendInternalKey(user_key, sequence, type, &key);
  return key;
}

TEST(MemTable, EmptyHasNothing) {
  MemTable table;
  EXPECT_EQ(table.ApproximateBytes(), 0u);
  EXPECT_EQ(table.EntryCount(), 0u);
  EXPECT_FALSE(table.Get("a", kMaxSequence).has_value());
  auto it = table.NewIterator();
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  it->Seek(Key("a", 1));
  EXPECT_FALSE(it->Valid());
  it->SeekForPrev(Key("a", 1));
  EXPECT_FALSE(it->Valid());
}

TEST(MemTable, GetSeesTheNewestEntryAtOrBelowTheSequence) {
  MemTable table;
  table.Add(5, EntryType::kValue, "k", "five");
  table.Add(7, EntryType::kDelete, "k", "");
  table.Add(9, EntryType::kBlobPointer, "k", "pointer");
  table.Add(6, EntryType::kValue, "kk", "other");

  EXPECT_FALSE(table.Get("k", 4).has_value());
  EXPECT_EQ(table.Get("k", 5)->value, "five");
  EXPECT_EQ(table.Get("k", 6)->sequence, 5u);
  EXPECT_EQ(table.Get("k", 8)->type, EntryType::kDelete);
  EXPECT_EQ(table.Get("k", 9)->type, EntryType::kBlobPointer);
  EXPECT_EQ(table.Get("k", kMaxSequence)->value, "pointer");
  EXPECT_FALSE(table.Get("j", kMaxSequence).has_value());
  EXPECT_FALSE(table.Get("", kMaxSequence).has_value());
  EXPECT_EQ(table.EntryCount(), 4u);
  EXPECT_GT(table.ApproximateBytes(), 0u);
  EXPECT_GE(table.MemoryBytes(), table.ApproximateBytes());
}

TEST(MemTable, WalksLikeAnOrderedMap) {
  std::mt19937_64 random(1);
  MemTable table;
  std::map<Bytes, Bytes, InternalKeyLess> model;
  for (uint64_t sequence = 1; sequence <= 3000; ++sequence) {
    const Bytes user_key = std::to_string(random() % 500);
    const Bytes value(random() % 40, static_cast<char>('a' + sequence % 26));
    const auto type = static_cast<EntryType>(random() % 3);
    table.Add(sequence, type, user_key, value);
    model[Key(user_key, sequence, type)] = value;
  }
  auto it = table.NewIterator();
  it->SeekToFirst();
  for (const auto& [key, value] : model) {
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->key(), key);
    EXPECT_EQ(it->value(), value);
    it->Next();
  }
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  for (auto m = model.rbegin(); m != model.rend(); ++m) {
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->key(), m->first);
    it->Prev();
  }
  EXPECT_FALSE(it->Valid());

  for (int i = 0; i < 2000; ++i) {
    const Bytes target = Key(std::to_string(random() % 600), random() % 3200);
    const auto at = model.lower_bound(target);
    it->Seek(target);
    ASSERT_EQ(it->Valid(), at != model.end());
    if (it->Valid()) {
      EXPECT_EQ(it->key(), at->first);
    }
    const auto after = model.upper_bound(target);
    it->SeekForPrev(target);
    ASSERT_EQ(it->Valid(), after != model.begin());
    if (it->Valid()) {
      EXPECT_EQ(it->key(), std::prev(after)->first);
    }
  }
}

// Runs of keys in order, which need no search, between keys that are not.
TEST(MemTable, KeysInOrderAndOutOfIt) {
  std::mt19937_64 random(3);
  MemTable table;
  std::map<Bytes, Bytes, InternalKeyLess> model;
  const auto user_key = [](uint64_t number) {
    Bytes key;
    PutBigEndian64(&key, number);
    return key;
  };
  uint64_t sequence = 0;
  for (int run = 0; run < 300; ++run) {
    uint64_t number = random() % 1000;
    const uint64_t step = 1 + random() % 3;
    for (uint64_t length = random() % 20; length > 0; --length, number += step) {
      // Sometimes the same key again: newer entries stand before older ones.
      const Bytes key = user_key(number);
      for (uint64_t times = 1 + (random() % 8 == 0 ? 1 : 0); times > 0; --times) {
        ++sequence;
        table.Add(sequence, EntryType::kValue, key, std::to_string(sequence));
        model[Key(key, sequence)] = std::to_string(sequence);
      }
    }
  }
  auto it = table.NewIterator();
  it->SeekToFirst();
  for (const auto& [key, value] : model) {
    ASSERT_TRUE(it->Valid());
    ASSERT_EQ(it->key(), key);
    EXPECT_EQ(it->value(), value);
    EXPECT_EQ(table.Get(UserKey(key), Sequence(key))->value, value);
    it->Next();
  }
  EXPECT_FALSE(it->Valid());
}

TEST(MemTable, ReadersRunBesideTheWriter) {
  MemTable table;
  std::atomic<uint64_t> written{0};
  constexpr uint64_t kEntries = 20000;
  auto user_key = [](uint64_t i) { return std::to_string(i * 7919 % kEntries); };
  std::thread reader([&] {
    std::mt19937_64 random(2);
    while (written.load(std::memory_order_acquire) < kEntries) {
      const uint64_t upto = written.load(std::memory_order_acquire);
      if (upto == 0) {
        continue;
      }
      const uint64_t i = random() % upto;
      const auto found = table.Get(user_key(i), kMaxSequence);
      ASSERT_TRUE(found.has_value());
      EXPECT_EQ(found->value, std::to_string(i));
      auto it = table.NewIterator();
      it->Seek(Key(user_key(i), kMaxSequence));
      Bytes last;
      for (int n = 0; n < 10 && it->Valid(); ++n, it->Next()) {
        EXPECT_TRUE(last.empty() || CompareInternalKeys(last, it->key()) < 0);
        last = Bytes(it->key());
      }
    }
  });
  for (uint64_t i = 0; i < kEntries; ++i) {
    table.Add(i + 1, EntryType::kValue, user_key(i), std::to_string(i));
    written.store(i + 1, std::memory_order_release);
  }
  reader.join();
  EXPECT_EQ(table.EntryCount(), kEntries);
}

TEST(MemTable, TakesLargeValues) {
  MemTable table;
  const Bytes large(300'000, 'x');
  table.Add(1, EntryType::kValue, "a", large);
  table.Add(2, EntryType::kValue, "b", "small");
  EXPECT_EQ(table.Get("a", 2)->value, large);
  EXPECT_EQ(table.Get("b", 2)->value, "small");
  EXPECT_GE(table.ApproximateBytes(), large.size());
}

}  // namespace
}  // namespace kvfs::engine
