// Clients are told what others change: two clients of three simulated nodes.
#include <gtest/gtest.h>

#include <algorithm>

#include "kvcore/node/sim_nodes_test_support.h"

namespace kvfs::node {
namespace {

using client::Change;
using test::SimNodes;

class WatchTest : public ::testing::Test {
 protected:
  WatchTest() : one_(nodes_.client()), two_(nodes_.AnotherClient()) {
    one_->SetChangeListener([this](const std::vector<Change>& changes) {
      told_one_.insert(told_one_.end(), changes.begin(), changes.end());
    });
    two_->SetChangeListener([this](const std::vector<Change>& changes) {
      told_two_.insert(told_two_.end(), changes.begin(), changes.end());
    });
  }

  client::CommitResult Put(client::ClusterClient* client, const Bytes& pk, const Bytes& value) {
    client::Txn txn;
    txn.pk = pk;
    txn.writes.push_back({client::Write::Kind::kPut, "a", value});
    client::Commit commit;
    commit.txns.push_back(std::move(txn));
    return nodes_.Run(client->Submit(std::move(commit)));
  }
  void Use(client::ClusterClient* client, const Bytes& pk) {
    client::ItemKey key(pk, "a");
    EXPECT_TRUE(nodes_.Run(client->Get(std::move(key))).ok());
    Sleep(100'000);  // until every node knows
  }
  void Sleep(int64_t micros) { nodes_.Run(env::SleepFor(&nodes_.world().scheduler(), micros)); }
  static bool Has(const std::vector<Change>& told, const Bytes& pk) {
    return std::any_of(told.begin(), told.end(), [&](const Change& change) {
      return change.pk == pk && change.cks == std::vector<Bytes>{"a"};
    });
  }

  SimNodes nodes_{11};
  client::ClusterClient* const one_;
  client::ClusterClient* const two_;
  std::vector<Change> told_one_;
  std::vector<Change> told_two_;
};

TEST_F(WatchTest, OthersAreToldAtOnceAndOnlyThey) {
  Use(two_, "pk");
  Use(one_, "pk");
  ASSERT_TRUE(Put(one_, "pk", "v").status.ok());
  const int64_t began = nodes_.world().scheduler().NowMicros();
  nodes_.world().scheduler().RunUntil([&] { return Has(told_two_, "pk"); });
  EXPECT_LT(nodes_.world().scheduler().NowMicros() - began, 50'000);
  Sleep(1'000'000);
  EXPECT_TRUE(told_one_.empty());
  ASSERT_EQ(told_two_.size(), 1u);
}

TEST_F(WatchTest, WhatIsNotUsedIsNotToldOf) {
  Use(two_, "pk");
  // 8 partitions: some of these lie in that of "pk", most do not.
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(Put(one_, "other" + std::to_string(i), "v").status.ok());
  }
  Sleep(1'000'000);
  EXPECT_LT(told_two_.size(), 20u);
}

TEST_F(WatchTest, ALeaseIsRenewed) {
  Use(two_, "pk");
  Sleep(50'000'000);  // longer than the lease, not so long that the partition counts as unused
  ASSERT_TRUE(Put(one_, "pk", "v").status.ok());
  Sleep(100'000);
  EXPECT_TRUE(Has(told_two_, "pk"));
}

TEST_F(WatchTest, ANodeThatWasStartedAnewIsAskedAgain) {
  Use(two_, "pk");
  for (size_t node = 0; node < nodes_.nodes(); ++node) {
    nodes_.Kill(node);
    nodes_.Start(node);
    nodes_.world().scheduler().RunUntil([&] { return nodes_.AllUp(); });
  }
  Sleep(15'000'000);
  ASSERT_TRUE(Put(one_, "pk", "v").status.ok());
  Sleep(100'000);
  EXPECT_TRUE(Has(told_two_, "pk"));
}

TEST_F(WatchTest, LostNoticesAreNoticed) {
  Use(two_, "pk");
  ASSERT_TRUE(Put(one_, "pk", "1").status.ok());
  Sleep(100'000);
  const env::NodeId here = nodes_.nodes() + 1;
  // Notices are lost; what the client asks for is asked until it is answered, so it is the other
  // way that stays.
  auto& bus = nodes_.world().bus();
  env::sim::LinkOptions lossy;
  lossy.loss = 0.5;
  for (env::NodeId node = 1; node < here; ++node) {
    bus.SetLink(node, here, lossy);
  }
  const auto knows_of_loss = [&] {
    return std::any_of(told_two_.begin(), told_two_.end(),
                       [](const Change& change) { return change.pk.empty(); });
  };
  for (int i = 0; i < 100 && !knows_of_loss(); ++i) {
    (void)Put(one_, "pk", std::to_string(i)).status.ok();
    Sleep(50'000);
  }
  EXPECT_TRUE(knows_of_loss());
}

}  // namespace
}  // namespace kvfs::node
