#include "kvcore/antientropy/merkle_store.h"

#include <gtest/gtest.h>

#include <random>

#include "kvcore/antientropy/antientropy_test_support.h"

namespace kvfs::antientropy {
namespace {

using replication::ChunkId;
using replication::StoreWrite;

constexpr uint32_t kBits = 4;

std::vector<PlaceRange> EveryPlace() { return {{0, 65'536, 1}}; }

// Of all places, of both trees.
std::vector<Sum> AllSums(MerkleStore* store) {
  std::vector<Sum> all;
  for (const Tree tree : kTrees) {
    const auto sums = store->Sums(tree, EveryPlace());
    EXPECT_TRUE(sums.ok());
    all.insert(all.end(), sums->begin(), sums->end());
  }
  return all;
}

// What a store with these contents, that has never had sums, comes to.
std::vector<Sum> SumsOfContents(const std::map<Bytes, Bytes>& contents) {
  testing::MemoryLocalStore fresh;
  for (const auto& [key, value] : contents) {
    if (key[0] == '\x01') {
      StoreWrite write;
      write.key = key;
      write.value = value;
      EXPECT_TRUE(fresh.Apply({write}, {}).ok());
    }
  }
  MerkleStore store(kBits, "cluster", &fresh);
  return AllSums(&store);
}

TEST(MerkleStore, TheSumsAreThoseOfWhatIsThereWhateverHappened) {
  std::mt19937 random(1);
  testing::MemoryLocalStore base;
  auto store = std::make_unique<MerkleStore>(kBits, "cluster", &base);
  for (int step = 0; step < 3000; ++step) {
    std::vector<StoreWrite> writes;
    const size_t count = random() % 4 + 1;
    for (size_t i = 0; i < count; ++i) {
      const Bytes pk = "pk" + std::to_string(random() % 40);
      const ChunkId id = Sha256("chunk" + std::to_string(random() % 20));
      const replication::ChunkRef ref{1, random() % 3, 0, random() % 3};
      switch (random() % 6) {
        case 0:
          writes.push_back(ErasureOf(replication::ChunkRefKey(id, ref)));
          break;
        case 1:
          writes.push_back(ErasureOf(replication::PkPrefix(pk) + replication::kStateCk));
          break;
        case 2:
        case 3:
          writes.push_back(ReferencePut(id, ref, StateOf(random() % 3, 1)));
          break;
        case 4:
          writes.push_back(ItemPut(pk, "a"));
          break;
        default:
          writes.push_back(StatePut(pk, StateOf(1, random() % 5)));
      }
    }
    if (random() % 10 == 0) {
      base.FailApply(Status::IoError("disk"));
      EXPECT_FALSE(store->Apply(writes, {}).ok());
      base.FailApply(Status::Ok());
    } else {
      Put(store.get(), writes);
    }
    if (random() % 300 == 0) {  // a new life, on what the disk holds
      store = std::make_unique<MerkleStore>(kBits, "cluster", &base);
    }
    if (step % 500 == 499) {
      EXPECT_EQ(AllSums(store.get()), SumsOfContents(base.Contents()));
    }
  }
}

TEST(MerkleStore, TwoHomesWithTheSameContentHaveTheSameSums) {
  testing::MemoryLocalStore base1, base2;
  MerkleStore one(kBits, "cluster", &base1), two(kBits, "cluster", &base2);
  const ChunkId id = Sha256("chunk");
  Put(&one, {StatePut("a", StateOf(1, 1))});
  Put(&one, {StatePut("b", StateOf(1, 1)), ReferencePut(id, {1, 2, 0, 0}, StateOf(1, 1), 7)});
  Put(&one, {StatePut("a", StateOf(2, 1))});
  Put(&two, {ReferencePut(id, {1, 2, 0, 0}, StateOf(1, 1), 8)});
  Put(&two, {StatePut("a", StateOf(2, 1)), StatePut("b", StateOf(1, 1))});
  EXPECT_EQ(AllSums(&one), AllSums(&two));
  Put(&two, {StatePut("b", StateOf(1, 2))});
  EXPECT_NE(AllSums(&one), AllSums(&two));
  testing::MemoryLocalStore base3;
  MerkleStore elsewhere(kBits, "another", &base3);
  Put(&elsewhere, {StatePut("a", StateOf(2, 1)), StatePut("b", StateOf(1, 1)),
                   ReferencePut(id, {1, 2, 0, 0}, StateOf(1, 1))});
  EXPECT_NE(AllSums(&one), AllSums(&elsewhere));
}

TEST(MerkleStore, ListsAPlaceWithoutReadingTheItems) {
  testing::MemoryLocalStore base;
  MerkleStore store(kBits, "cluster", &base);
  const uint16_t place = replication::PlaceOf("pk");
  ChunkId id{};
  id[0] = static_cast<unsigned char>(place >> 8);
  id[1] = static_cast<unsigned char>(place & 0xff);
  Put(&store, {StatePut("pk", StateOf(3, 4)), ItemPut("pk", "a"), ItemPut("pk", "b"),
               ReferencePut(id, {1, 2, 0, 3}, StateOf(1, 1))});
  std::vector<Bytes> pks;
  ASSERT_TRUE(ForEachKey(&store, place, [&](ByteView pk, const auto& state) {
                EXPECT_EQ(state, StateOf(3, 4));
                pks.emplace_back(pk);
                return Status::Ok();
              }).ok());
  EXPECT_EQ(pks, std::vector<Bytes>{"pk"});
  int references = 0;
  ASSERT_TRUE(ForEachReference(&store, place, [&](const auto& chunk, const auto& ref, const auto&) {
                EXPECT_EQ(chunk, id);
                EXPECT_EQ(ref.position, 3u);
                ++references;
                return Status::Ok();
              }).ok());
  EXPECT_EQ(references, 1);
}

TEST(MerkleStore, DamagedSumsAreFound) {
  testing::MemoryLocalStore base;
  {
    MerkleStore store(kBits, "cluster", &base);
    Put(&store, {StatePut("pk", StateOf(1, 1))});
  }
  for (const auto& [key, value] : base.Contents()) {
    if (key[0] == '\0' && value.size() == kSumBytes) {
      StoreWrite write;
      write.key = key;
      write.value = value.substr(1);
      ASSERT_TRUE(base.Apply({write}, {}).ok());
    }
  }
  MerkleStore store(kBits, "cluster", &base);
  EXPECT_EQ(store.Sums(Tree::kKeys, EveryPlace()).status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace kvfs::antientropy
