// A node that has lost its disk gets everything back from the others, and counts for nothing
// before.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "kvcore/node/sim_nodes_test_support.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

using client::ChunkRef;
using client::Commit;
using client::ItemKey;
using test::SimNodes;

class LostDiskTest : public ::testing::Test {
 protected:
  static Bytes Pk(int number) { return "pk" + std::to_string(number); }
  static Bytes Chunk(int number) { return Bytes(300, 'x') + std::to_string(number); }

  // Item "a" of the pk, and a chunk.
  Status Put(int number, const Bytes& value) {
    Commit commit;
    commit.txns.push_back(test::Put(Pk(number), "a", value));
    const Bytes data = Chunk(number);
    const ChunkRef ref{1, static_cast<uint64_t>(number), 0, 0};
    commit.chunks.push_back({Sha256(data), ref, data});
    return cluster_.Run(cluster_.client()->Submit(std::move(commit))).status;
  }
  Bytes Get(int number) {
    ItemKey key(Pk(number), "a");
    auto item = cluster_.Run(cluster_.client()->Get(std::move(key)));
    return item.ok() && item->has_value() ? (*item)->value() : item.status().ToString();
  }
  bool HasChunk(size_t node, int number) {
    return *cluster_.node(node)->store()->Contains(
        replication::ChunkDataKey(Sha256(Chunk(number))));
  }
  std::vector<antientropy::Sum> SumsOf(size_t node, antientropy::Tree tree) {
    auto* const store = cluster_.node(node)->store();
    return *store->Sums(tree, {{0, 65'536, 1}});
  }
  bool AllSame() {
    for (const auto tree : antientropy::kTrees) {
      for (size_t node = 1; node < cluster_.nodes(); ++node) {
        if (SumsOf(node, tree) != SumsOf(0, tree)) {
          return false;
        }
      }
    }
    return true;
  }
  // Within simulated minutes.
  bool Eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 300 && !holds(); ++i) {
      cluster_.world().RunFor(1'000'000);
    }
    return holds();
  }
  void Restart(size_t node) {
    cluster_.Start(node);
    cluster_.world().scheduler().RunUntil([&] { return cluster_.AllUp(); });
  }

  SimNodes cluster_{1};
};

TEST_F(LostDiskTest, GetsEverythingBack) {
  constexpr int kItems = 60;
  for (int i = 0; i < kItems; ++i) {
    ASSERT_TRUE(Put(i, "value" + std::to_string(i)).ok());
  }
  ASSERT_TRUE(Eventually([&] { return AllSame(); }));
  cluster_.Kill(1);
  cluster_.LoseDisk(1);
  ASSERT_TRUE(Put(kItems, "written meanwhile").ok());
  Restart(1);
  EXPECT_TRUE(Eventually([&] { return AllSame(); }));
  for (int i = 0; i <= kItems; ++i) {
    EXPECT_TRUE(HasChunk(1, i)) << i;
  }
  // It counts again: with another one away.
  cluster_.Kill(0);
  for (int i = 0; i < kItems; ++i) {
    EXPECT_EQ(Get(i), "value" + std::to_string(i));
  }
  EXPECT_TRUE(Put(1, "again").ok());
  EXPECT_EQ(Get(1), "again");
}

TEST_F(LostDiskTest, CountsForNothingBeforeItKnowsEverything) {
  ASSERT_TRUE(Put(1, "old").ok());
  cluster_.Kill(2);
  ASSERT_TRUE(Put(1, "new").ok());  // on nodes 0 and 1 alone
  cluster_.Kill(0);
  cluster_.Kill(1);
  cluster_.LoseDisk(1);
  // Nodes 1 and 2 are a majority, and neither knows of it.
  cluster_.Start(1);
  cluster_.Start(2);
  cluster_.world().RunFor(5'000'000);
  EXPECT_NE(Get(1), "old");
  cluster_.Start(0);
  EXPECT_TRUE(Eventually([&] { return cluster_.AllUp() && Get(1) == "new"; }));
}

}  // namespace
}  // namespace kvfs::node
