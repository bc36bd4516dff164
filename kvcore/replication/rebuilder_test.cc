// When a home that may have lost something is itself again, and how. Homes on stores in memory.
#include "kvcore/replication/rebuilder.h"

#include <gtest/gtest.h>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/replication_test_support.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {
namespace {

constexpr Epoch kFirst{1, 1};
constexpr PkState kOne{kFirst, 1}, kTwo{kFirst, 2};

Listings Others(size_t sound, size_t suspect) {
  Listings listings;
  for (env::NodeId home = 1; home <= sound + suspect; ++home) {
    listings[home].suspect = home > sound;
  }
  return listings;
}

// The homes are 1 .. `homes`, the last of them ours.
bool Knows(const Listings& others, size_t homes) {
  std::vector<env::NodeId> all;
  for (env::NodeId home = 1; home <= homes; ++home) {
    all.push_back(home);
  }
  return KnowEverything(others, all, homes);
}

TEST(Rebuild, EnoughMeetEveryMajorityWithoutUs) {
  EXPECT_TRUE(Knows(Others(2, 0), 3));
  EXPECT_FALSE(Knows(Others(1, 0), 3));
  EXPECT_TRUE(Knows(Others(3, 0), 5));
  EXPECT_FALSE(Knows(Others(2, 1), 5));  // of a majority with us, both may be elsewhere
  EXPECT_TRUE(Knows(Others(2, 0), 4));
  EXPECT_TRUE(Knows(Others(1, 0), 2));
  EXPECT_FALSE(Knows(Others(0, 0), 2));
  // Where too many may have lost something, whoever has not must be among those heard.
  EXPECT_TRUE(Knows(Others(0, 2), 3));
  EXPECT_TRUE(Knows(Others(1, 1), 3));
  EXPECT_TRUE(Knows(Others(0, 0), 1));
}

TEST(Rebuild, InATransitionTheOldHomesKnow) {
  Electorate electorate;
  electorate.homes = {1, 2, 3, 4, 5};
  electorate.sets = {{1, 2, 3}, {3, 4, 5}};
  Listings others = Others(2, 0);
  EXPECT_TRUE(KnowEverything(others, electorate, 3));
  others.erase(2);
  others[4] = {};
  others[5] = {};
  EXPECT_FALSE(KnowEverything(others, electorate, 3));  // 2 and 3 may have decided something
}

TEST(Rebuild, OnlyWhatIsDecidedKeepsItsName) {
  const Epoch ours{5, 3};
  const std::vector<env::NodeId> kHomes = {1, 2, 3};
  Listings others = Others(2, 0);
  others[1].states["pk"] = kTwo;
  others[2].states["pk"] = kTwo;
  auto plan = PlanTakeover("pk", kOne, others, kHomes, ours);
  ASSERT_TRUE(plan.ok() && plan->has_value());
  EXPECT_EQ((*plan)->to, kTwo);
  others[2].states["pk"] = kOne;  // ours and this make no majority: we may have lost it
  plan = PlanTakeover("pk", kOne, others, kHomes, ours);
  ASSERT_TRUE(plan.ok() && plan->has_value());
  EXPECT_EQ((*plan)->source, 1u);
  EXPECT_EQ((*plan)->from, kTwo);
  EXPECT_EQ((*plan)->to, (PkState{ours, 1}));
  EXPECT_FALSE(PlanTakeover("pk", kTwo, others, kHomes, ours)->has_value());
  EXPECT_EQ(PlanTakeover("pk", kOne, others, kHomes, {0, 3}).status().code(), Code::kUnavailable);
}

class RebuilderTest : public ::testing::Test {
 protected:
  struct Node {
    Node(RebuilderTest* test, env::NodeId node, const Bytes& boot)
        : peers(node),
          home(OfBoot(boot), &test->stores_[node], &peers, &test->env_),
          service(&home, nullptr),
          rebuilder({.self = node}, &test->homes_, &home, &peers, &test->env_, &test->env_) {}
    static HomeOptions OfBoot(const Bytes& boot) {
      HomeOptions options;
      options.boot_id = boot;
      options.page_bytes = 1;
      return options;
    }
    DirectPeers peers;
    Home home;
    Service service;
    Rebuilder rebuilder;
  };

  RebuilderTest() {
    for (env::NodeId node = 1; node <= 3; ++node) {
      Boot(node, "one");
    }
  }
  ~RebuilderTest() override {
    for (auto& [number, node] : nodes_) {
      env_.Await(Closed(node.get()));
    }
  }
  static Task<bool> Closed(Node* node) {
    co_await node->rebuilder.Close();
    co_return true;
  }
  void Boot(env::NodeId number, const Bytes& boot) {
    nodes_[number] = std::make_unique<Node>(this, number, boot);
    Connect();
  }
  void Connect() {
    for (auto& [a, one] : nodes_) {
      for (auto& [b, other] : nodes_) {
        one->peers.Add(b, &other->service);
      }
    }
  }
  // Its machine lost power: the mark is there, what else there was in the partition is not.
  void LosePower(env::NodeId number) {
    nodes_.erase(number);
    std::vector<StoreWrite> writes;
    for (const auto& [key, value] : stores_[number].Contents()) {
      if (key != UnsyncedKey(Partition())) {
        StoreWrite& erase = writes.emplace_back();
        erase.kind = StoreWrite::Kind::kDelete;
        erase.key = key;
      }
    }
    ASSERT_TRUE(stores_[number].Apply(std::move(writes), {}).ok());
    Boot(number, "two");
  }
  void Apply(env::NodeId number, const PkState& previous, const PkState& next) {
    const auto reply =
        env_.Await(nodes_[number]->home.Apply(ApplyOf("pk", previous, next, "value")));
    ASSERT_TRUE(reply.ok() && reply->applied());
  }
  Bytes Value(env::NodeId number) {
    const auto value = stores_[number].Get(PkPrefix("pk") + "a");
    return value.ok() ? *value : "none";
  }
  static uint32_t Partition() { return PartitionOf(PlaceOf("pk"), HomeOptions().partition_bits); }

  testing::StepEnv env_;
  FixedHomes homes_{{1, 2, 3}};
  std::map<env::NodeId, testing::MemoryLocalStore> stores_;
  std::map<env::NodeId, std::unique_ptr<Node>> nodes_;
};

TEST_F(RebuilderTest, TakesOverWhatTheOthersHaveAndPromisesAfresh) {
  for (const env::NodeId node : {1, 2}) {
    Apply(node, {}, kOne);
  }
  LosePower(1);
  Node& node = *nodes_[1];
  node.rebuilder.Start();
  env_.Advance(10'000);
  EXPECT_TRUE(node.rebuilder.IsDone());
  EXPECT_EQ(Value(1), "value");
  // One of the two others has it: whether it was decided cannot be told.
  EXPECT_GT(node.home.LocalState("pk")->epoch, kFirst);
  EXPECT_FALSE(env_.Await(node.home.Promise(Partition(), kFirst))->granted());
  EXPECT_FALSE(env_.Await(nodes_[3]->home.Promise(Partition(), kFirst))->granted());
  // Not again after the next loss, as nothing was written since but synced.
  EXPECT_TRUE(node.home.Suspects()->empty());
}

TEST_F(RebuilderTest, WaitsForEnoughOthers) {
  for (const env::NodeId node : {1, 2}) {
    Apply(node, {}, kOne);
  }
  LosePower(1);
  Node& node = *nodes_[1];
  node.peers.Remove(3);
  node.rebuilder.Start();
  env_.Advance(2'000'000);
  EXPECT_FALSE(node.rebuilder.IsDone());
  EXPECT_EQ(env_.Await(node.home.Promise(Partition(), {9, 2})).status().code(), Code::kUnavailable);
  Connect();
  env_.Advance(2'000'000);
  EXPECT_TRUE(node.rebuilder.IsDone());
}

TEST_F(RebuilderTest, WhereAllLostPowerAllMustBeHeard) {
  for (const env::NodeId node : {1, 2, 3}) {
    Apply(node, {}, kOne);
  }
  Apply(3, kOne, kTwo);
  LosePower(1);
  LosePower(2);
  nodes_[1]->peers.Remove(3);
  nodes_[1]->rebuilder.Start();
  nodes_[2]->peers.Remove(3);
  nodes_[2]->rebuilder.Start();
  env_.Advance(2'000'000);
  EXPECT_FALSE(nodes_[1]->rebuilder.IsDone());
  Connect();
  env_.Advance(5'000'000);
  for (const env::NodeId node : {1, 2}) {
    EXPECT_TRUE(nodes_[node]->rebuilder.IsDone());
    EXPECT_EQ(Value(node), "value");
  }
}

}  // namespace
}  // namespace kvfs::replication
