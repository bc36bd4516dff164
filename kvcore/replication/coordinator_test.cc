// What a read tells at each level, and what becomes of homes that lag. Three homes on stores in
// memory, each of which may be out of reach.
#include "kvcore/replication/coordinator.h"

#include <gtest/gtest.h>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/replication_test_support.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {
namespace {

constexpr int64_t kSecond = 1'000'000;

class CoordinatorTest : public ::testing::Test {
 protected:
  struct Node {
    Node(CoordinatorTest* test, env::NodeId number)
        : peers(number),
          dots(NumberSource::Open({.key = NodeLocalKey("dots"), .block = 1000}, &store, &test->env_)
                   .value()),
          home({}, &store, &peers, &test->env_),
          primary({.self = number, .storage_epoch = number}, {.placement = &test->homes_,
                                                              .home = &home,
                                                              .peers = &peers,
                                                              .store = &store,
                                                              .dots = dots.get(),
                                                              .hybrid_clock = &hybrid_clock,
                                                              .clock = &test->env_,
                                                              .scheduler = &test->env_}),
          service(&home, &primary) {}
    testing::MemoryLocalStore store;
    DirectPeers peers;
    versioning::HybridClock hybrid_clock{60'000};
    std::unique_ptr<NumberSource> dots;
    Home home;
    ReplicatedPrimary primary;
    Service service;
  };

  CoordinatorTest() : peers_(99), coordinator_({}, &homes_, &peers_, &env_, &env_) {
    for (env::NodeId number = 1; number <= 3; ++number) {
      nodes_.push_back(std::make_unique<Node>(this, number));
    }
    for (env::NodeId number = 1; number <= 3; ++number) {
      Connect(number);
    }
  }
  ~CoordinatorTest() override { env_.Await(Closed()); }
  Task<bool> Closed() {
    co_await coordinator_.Close();
    for (const auto& node : nodes_) {
      co_await node->primary.Close();
    }
    co_return true;
  }
  Node& At(env::NodeId number) { return *nodes_[number - 1]; }
  // Whether others reach it.
  void Connect(env::NodeId number) {
    peers_.Add(number, &At(number).service);
    for (const auto& node : nodes_) {
      node->peers.Add(number, &At(number).service);
    }
  }
  void Cut(env::NodeId number) {
    peers_.Remove(number);
    for (const auto& node : nodes_) {
      node->peers.Remove(number);
    }
    At(number).peers.Add(number, &At(number).service);  // but itself
  }
  void Put(const Bytes& value) {
    Txn txn;
    txn.pk = "pk";
    txn.writes.push_back({Write::Kind::kPut, "a", value});
    const OpId op{1, ++last_op_};
    const auto result = env_.Await(coordinator_.Submit(txn, op, true, false, 10 * kSecond));
    ASSERT_TRUE(result.status.ok()) << result.status.ToString();
    env_.Advance(kSecond);
  }
  // "" = an error.
  Bytes Get(ReadLevel level) {
    std::vector<Bytes> cks(1, "a");
    const auto items = env_.Await(coordinator_.Read("pk", std::move(cks), kSecond, level));
    return items.ok() && (*items)[0].has_value() ? (*items)[0]->value() : "";
  }

  testing::StepEnv env_;
  FixedHomes homes_{{1, 2, 3}};
  std::vector<std::unique_ptr<Node>> nodes_;
  DirectPeers peers_;
  Coordinator coordinator_;
  uint64_t last_op_ = 0;
};

// What one home holds may be old; a quorum never is.
TEST_F(CoordinatorTest, AQuorumSeesWhatOneHomeHasMissed) {
  Put("old");
  Cut(1);
  Put("new");
  Connect(1);
  EXPECT_EQ(Get(ReadLevel::kOne), "old");
  EXPECT_EQ(Get(ReadLevel::kQuorum), "new");
}

TEST_F(CoordinatorTest, OneHomeIsEnoughForOne) {
  Put("value");  // held by 1 and 2
  Cut(1);
  Cut(3);
  EXPECT_EQ(Get(ReadLevel::kOne), "value");
  EXPECT_EQ(Get(ReadLevel::kQuorum), "");
}

TEST_F(CoordinatorTest, AllMeansAll) {
  Put("value");
  EXPECT_EQ(Get(ReadLevel::kAll), "value");
  Cut(3);
  EXPECT_EQ(Get(ReadLevel::kQuorum), "value");
  EXPECT_EQ(Get(ReadLevel::kAll), "");
  Put("new");
  Connect(3);
  EXPECT_EQ(Get(ReadLevel::kAll), "new");
  EXPECT_EQ(At(3).home.LocalState("pk").value(), At(2).home.LocalState("pk").value());
}

// Only its primary may bring a home forward.
TEST_F(CoordinatorTest, AHomeSeenToLagIsRepaired) {
  Put("old");
  Cut(3);
  Put("new");
  Connect(3);
  EXPECT_NE(At(3).home.LocalState("pk").value(), At(1).home.LocalState("pk").value());
  EXPECT_EQ(Get(ReadLevel::kQuorum), "new");
  env_.Advance(5 * kSecond);
  EXPECT_EQ(At(3).home.LocalState("pk").value(), At(1).home.LocalState("pk").value());
  EXPECT_EQ(At(3).store.Contents().count(PkPrefix("pk") + "a"), 1u);
}

}  // namespace
}  // namespace kvfs::replication
