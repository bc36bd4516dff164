// Nodes that keep data come and go while clients work: nothing is refused for it, nothing is lost,
// and in the end everything is where the new layout says, and nowhere else.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "kvcore/node/sim_nodes_test_support.h"
#include "kvcore/replication/keys.h"
#include "kvcore/ring/plan.h"

namespace kvfs::node {
namespace {

using client::ChunkRef;
using client::Commit;
using client::ItemKey;
using ring::Change;
using test::SimNodes;

constexpr int64_t kSecond = 1'000'000;
constexpr int kItems = 40;

class LayoutChangeTest : public ::testing::Test {
 protected:
  static Bytes Pk(int number) { return "pk" + std::to_string(number); }
  static Bytes Chunk(int number) { return Bytes(300, 'x') + std::to_string(number); }
  static Change Join(env::NodeId node) {
    Change change;
    change.member = {.node = node, .weight = 1, .datacentre = "here", .zone = ""};
    return change;
  }
  static Change Leave(env::NodeId node) {
    Change change;
    change.kind = Change::Kind::kLeave;
    change.member.node = node;
    return change;
  }

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
  Status Read(int number) {
    const auto bytes =
        cluster_.Run(cluster_.client()->ReadChunk(Sha256(Chunk(number)), 0, 1u << 20));
    return bytes.ok() && *bytes != Chunk(number) ? Status::Corruption("other bytes")
                                                 : bytes.status();
  }
  void PutAll() {
    for (int i = 0; i < kItems; ++i) {
      values_[i] = "value" + std::to_string(i);
      ASSERT_TRUE(Put(i, values_[i]).ok()) << i;
    }
  }
  Status Apply(size_t by, const std::vector<Change>& changes) {
    auto plan = ring::PlanChange(cluster_.node(by)->layouts()->newest(), changes);
    if (!plan.ok()) {
      return plan.status();
    }
    auto next = std::make_shared<const ring::Layout>(std::move(plan->next));
    return cluster_.Run(cluster_.node(by)->ProposeLayout(std::move(next)));
  }
  bool IsOver(uint64_t number) {
    for (size_t node = 0; node < cluster_.nodes(); ++node) {
      if (cluster_.node(node) == nullptr) {
        continue;
      }
      const auto stage = cluster_.node(node)->layouts()->stage();
      if (stage.id.number != number || stage.in_transition) {
        return false;
      }
    }
    return true;
  }
  // What all nodes say of the change.
  std::string Transfers() {
    std::string text;
    for (size_t node = 0; node < cluster_.nodes(); ++node) {
      if (cluster_.node(node) != nullptr) {
        const auto said = cluster_.node(node)->Transfers();
        text += "node " + std::to_string(node + 1) + ": layout " +
                std::to_string(said.layout_number()) + (said.in_transition() ? " begun, " : ", ") +
                std::to_string(said.moved_size()) + " of " + std::to_string(said.wanted()) + " " +
                said.trouble() + "\n";
      }
    }
    return text;
  }
  // Clients go on until it is over, and meet with no failure.
  void WorkUntilOver(uint64_t number) {
    for (int round = 0; !IsOver(number); ++round) {
      ASSERT_LT(round, 2'000) << Transfers();
      const int item = round % kItems;
      EXPECT_EQ(Get(item), values_[item]);
      EXPECT_TRUE(Read(item).ok());
      values_[item] = "round" + std::to_string(round);
      const Status put = Put(item, values_[item]);
      EXPECT_TRUE(put.ok()) << put.ToString();
      cluster_.world().RunFor(kSecond / 100);
    }
  }
  void CheckAll() {
    for (int i = 0; i < kItems; ++i) {
      EXPECT_EQ(Get(i), values_[i]) << i;
      EXPECT_TRUE(Read(i).ok()) << i;
    }
  }
  // What lies on which nodes, of pks and chunks: at every home, and nowhere else.
  std::string Misplaced() {
    const ring::RingView& view = *cluster_.node(1)->layouts();
    for (int i = 0; i < kItems; ++i) {
      for (size_t node = 0; node < cluster_.nodes(); ++node) {
        if (cluster_.node(node) == nullptr) {
          continue;
        }
        const Bytes data = Chunk(i);
        auto* const store = cluster_.node(node)->store();
        const uint32_t of_pk =
            replication::PartitionOf(replication::PlaceOf(Pk(i)), SimNodes::kPartitionBits);
        const uint32_t of_chunk =
            replication::PartitionOf(replication::PlaceOf(Sha256(data)), SimNodes::kPartitionBits);
        const Bytes prefix = replication::PkPrefix(Pk(i));
        const bool has_pk = store->Scan(prefix, replication::PrefixEnd(prefix))->Valid();
        const bool has_chunk = *store->Contains(replication::ChunkDataKey(Sha256(data)));
        if (has_pk != view.current().Keeps(node + 1, of_pk) ||
            has_chunk != view.current().Keeps(node + 1, of_chunk)) {
          return "item " + std::to_string(i) + " at node " + std::to_string(node + 1);
        }
      }
    }
    return "";
  }
  bool Eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 300 && !holds(); ++i) {
      cluster_.world().RunFor(kSecond);
    }
    return holds();
  }
  void Restart(size_t node) {
    cluster_.Start(node);
    cluster_.world().scheduler().RunUntil([&] { return cluster_.AllUp(); });
  }

  SimNodes cluster_{1, 5, true, true, 3};
  std::map<int, Bytes> values_;
};

TEST_F(LayoutChangeTest, GrowsAndShrinksWhileClientsWork) {
  PutAll();
  ASSERT_TRUE(Apply(0, {Join(4), Join(5)}).ok());
  WorkUntilOver(2);
  CheckAll();
  EXPECT_TRUE(Eventually([&] { return Misplaced().empty(); })) << Misplaced();
  ASSERT_TRUE(Apply(3, {Leave(1)}).ok());  // whoever is a member may propose
  WorkUntilOver(3);
  CheckAll();
  EXPECT_TRUE(Eventually([&] { return Misplaced().empty(); })) << Misplaced();
  cluster_.Kill(0);  // and is not missed
  cluster_.Kill(1);  // nor this one
  CheckAll();
}

TEST_F(LayoutChangeTest, GoesOnAfterAnybodyWasStartedAnew) {
  PutAll();
  ASSERT_TRUE(Apply(0, {Join(4), Join(5)}).ok());
  for (const size_t node : {3, 0, 4, 1}) {
    cluster_.world().RunFor(kSecond / 10);
    cluster_.Kill(node);
    cluster_.world().RunFor(kSecond / 10);
    Restart(node);
  }
  ASSERT_TRUE(Eventually([&] { return IsOver(2); })) << Transfers();
  CheckAll();
  EXPECT_TRUE(Eventually([&] { return Misplaced().empty(); })) << Misplaced();
}

TEST_F(LayoutChangeTest, ADeadNodeIsReplaced) {
  PutAll();
  cluster_.Kill(2);
  cluster_.world().RunFor(20 * kSecond);  // the others find out
  Change replace = Join(4);
  replace.kind = Change::Kind::kReplace;
  replace.replaced = 3;
  ASSERT_TRUE(Apply(0, {replace}).ok());
  ASSERT_TRUE(Eventually([&] { return IsOver(2); })) << Transfers();
  CheckAll();
  cluster_.Kill(0);  // two of three have it, the new one among them
  CheckAll();
}

TEST_F(LayoutChangeTest, OneThatSleptThroughItLearnsOfItAndIsNotBelieved) {
  PutAll();
  cluster_.Kill(2);
  cluster_.world().RunFor(20 * kSecond);
  ASSERT_TRUE(Apply(0, {Join(4), Join(5), Leave(3)}).ok());
  ASSERT_TRUE(Eventually([&] { return IsOver(2); })) << Transfers();
  values_[0] = "while it was away";
  ASSERT_TRUE(Put(0, values_[0]).ok());
  Restart(2);  // with the first layout on its disk
  CheckAll();
  EXPECT_TRUE(Eventually([&] { return IsOver(2) && Misplaced().empty(); })) << Misplaced();
}

TEST_F(LayoutChangeTest, AMinorityChangesNothing) {
  PutAll();
  cluster_.Kill(1);
  cluster_.Kill(2);
  EXPECT_EQ(Apply(0, {Join(4)}).code(), Code::kUnavailable);
  EXPECT_EQ(cluster_.node(0)->layouts()->stage().id.number, 1u);
}

TEST_F(LayoutChangeTest, TheNextChangeWaitsForThisOne) {
  PutAll();
  ASSERT_TRUE(Apply(0, {Join(4)}).ok());
  ASSERT_EQ(cluster_.node(0)->layouts()->stage().in_transition, true);
  EXPECT_EQ(Apply(0, {Join(5)}).code(), Code::kBusy);
  WorkUntilOver(2);
  EXPECT_TRUE(Apply(0, {Join(5)}).ok());
  WorkUntilOver(3);
  CheckAll();
}

}  // namespace
}  // namespace kvfs::node
