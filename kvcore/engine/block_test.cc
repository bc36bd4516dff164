#include <gtest/gtest.h>

#include <map>
#include <random>

#include "kvcore/engine/block_builder.h"
#include "kvcore/engine/block_reader.h"
#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {
namespace {

using Model = std::map<Bytes, Bytes, InternalKeyLess>;

Bytes Key(ByteView user_key, uint64_t sequence) {
  Bytes key;
  AppendInternalKey(user_key, sequence, EntryType::kValue, &key);
  return key;
}

Model RandomModel(std::mt19937_64* random, size_t entries) {
  Model model;
  for (size_t i = 0; i < entries; ++i) {
    model[Key("prefix/" + std::to_string((*random)() % 100), i + 1)] =
        Bytes((*random)() % 200, static_cast<char>('a' + i % 26));
  }
  return model;
}

Bytes Build(const Model& model, uint32_t interval) {
  BlockBuilder builder(interval);
  for (const auto& [key, value] : model) {
    builder.Add(key, value);
  }
  const size_t estimate = builder.SizeEstimate();
  const Bytes block(builder.Finish());
  EXPECT_EQ(block.size(), estimate);
  return block;
}

std::unique_ptr<BlockIterator> Open(Bytes block) {
  auto it = std::make_unique<BlockIterator>();
  block.shrink_to_fit();
  it->Reset(std::make_shared<const Bytes>(std::move(block)), {});
  return it;
}

TEST(Block, WalksAndSeeksLikeAnOrderedMap) {
  std::mt19937_64 random(5);
  for (const uint32_t interval : {1u, 2u, 16u, 1000u}) {
    for (const size_t entries : {1u, 2u, 17u, 300u}) {
      const Model model = RandomModel(&random, entries);
      const auto opened = Open(Build(model, interval));
      BlockIterator& it = *opened;
      it.SeekToFirst();
      for (const auto& [key, value] : model) {
        ASSERT_TRUE(it.Valid());
        ASSERT_EQ(it.key(), key);
        ASSERT_EQ(it.value(), value);
        it.Next();
      }
      EXPECT_FALSE(it.Valid());
      it.SeekToLast();
      for (auto m = model.rbegin(); m != model.rend(); ++m) {
        ASSERT_TRUE(it.Valid());
        ASSERT_EQ(it.key(), m->first);
        ASSERT_EQ(it.value(), m->second);
        it.Prev();
      }
      EXPECT_FALSE(it.Valid());
      for (int i = 0; i < 300; ++i) {
        const Bytes target = Key("prefix/" + std::to_string(random() % 110), random() % 310);
        const auto at = model.lower_bound(target);
        it.Seek(target);
        ASSERT_EQ(it.Valid(), at != model.end());
        if (it.Valid()) {
          ASSERT_EQ(it.key(), at->first);
          if (random() % 2 == 0) {
            it.Prev();
            ASSERT_EQ(it.Valid(), at != model.begin());
          }
        }
        const auto after = model.upper_bound(target);
        it.SeekForPrev(target);
        ASSERT_EQ(it.Valid(), after != model.begin());
        if (it.Valid()) {
          ASSERT_EQ(it.key(), std::prev(after)->first);
        }
      }
      EXPECT_TRUE(it.status().ok());
    }
  }
}

TEST(Block, PrefixesAreShared) {
  Model model;
  for (uint64_t i = 0; i < 100; ++i) {
    model[Key(Bytes(100, 'p') + std::to_string(1000 + i), 1)] = "v";
  }
  EXPECT_LT(Build(model, 16).size(), Build(model, 1).size() / 3);
}

// Every walk over any bytes ends, inside the block.
void WalkEverywhere(const Bytes& block) {
  const auto opened = Open(block);
  BlockIterator& it = *opened;
  size_t steps = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    ASSERT_LE(++steps, block.size());
    ASSERT_TRUE(IsInternalKey(it.key()));
  }
  steps = 0;
  for (it.SeekToLast(); it.Valid(); it.Prev()) {
    ASSERT_LE(++steps, block.size());
  }
  const Bytes target = Key("prefix/5", 7);
  it.Seek(target);
  it.SeekForPrev(target);
  if (it.Valid()) {
    it.Prev();
  }
  ASSERT_TRUE(it.status().ok() || it.status().code() == Code::kCorruption);
}

TEST(Block, DamageNeverCrashes) {
  std::mt19937_64 random(6);
  for (const uint32_t interval : {1u, 4u}) {
    const Bytes block = Build(RandomModel(&random, 20), interval);
    for (size_t at = 0; at < block.size(); ++at) {
      for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
        Bytes damaged = block;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        WalkEverywhere(damaged);
      }
    }
    for (size_t size = 0; size < block.size(); ++size) {
      WalkEverywhere(block.substr(0, size));
    }
  }
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes(random() % 100, '\0');
    for (char& c : bytes) {
      c = static_cast<char>(random() % 6);
    }
    WalkEverywhere(bytes);
  }
}

TEST(Block, AnEmptyOneIsDamage) {
  const auto opened = Open("");
  BlockIterator& it = *opened;
  it.SeekToFirst();
  EXPECT_FALSE(it.Valid());
  EXPECT_EQ(it.status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace kvfs::engine
