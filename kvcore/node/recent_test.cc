// What a client has just read or written: two clients of three simulated nodes.
#include <gtest/gtest.h>

#include "kvcore/node/sim_nodes_test_support.h"

namespace kvfs::node {
namespace {

using client::ItemKey;
using test::Put;
using test::SimNodes;

class RecentTest : public ::testing::Test {
 protected:
  RecentTest() : one_(nodes_.client()), two_(nodes_.AnotherClient()) {}

  Status Submit(client::ClusterClient* client, client::Txn txn) {
    client::Commit commit;
    commit.txns.push_back(std::move(txn));
    return nodes_.Run(client->Submit(std::move(commit))).status;
  }
  // "-": absent.
  Bytes Recent(client::ClusterClient* client, const Bytes& ck) {
    std::vector<ItemKey> keys;
    keys.emplace_back("pk", ck);
    const auto items = nodes_.Run(client->GetRecent(std::move(keys)));
    EXPECT_TRUE(items.ok()) << items.status().ToString();
    return !items.ok() ? "" : (*items)[0].has_value() ? (*items)[0]->value() : "-";
  }
  void Sleep(int64_t micros) { nodes_.Run(env::SleepFor(&nodes_.world().scheduler(), micros)); }
  void KillAll() {
    for (size_t node = 0; node < nodes_.nodes(); ++node) {
      nodes_.Kill(node);
    }
  }

  SimNodes nodes_{5};
  client::ClusterClient* const one_;
  client::ClusterClient* const two_;
};

TEST_F(RecentTest, WhatWasReadOrWrittenNeedsNobody) {
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "1")).ok());
  EXPECT_EQ(Recent(one_, "da"), "1");
  ASSERT_TRUE(Submit(one_, Put("pk", "db", "2")).ok());
  ASSERT_TRUE(Submit(one_, Put("pk", "da", "3")).ok());
  KillAll();
  EXPECT_EQ(Recent(one_, "da"), "3");
  EXPECT_EQ(Recent(one_, "db"), "2");
  EXPECT_EQ(Recent(one_, "dc"), "-") << "all items that begin with d were read along";
}

TEST_F(RecentTest, IsNoOlderThanASecond) {
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "1")).ok());
  EXPECT_EQ(Recent(one_, "da"), "1");
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "2")).ok());
  Sleep(1'000'000);
  EXPECT_EQ(Recent(one_, "da"), "2");
}

TEST_F(RecentTest, ANoticeEndsIt) {
  one_->SetChangeListener([](const std::vector<client::Change>&) {});
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "1")).ok());
  EXPECT_EQ(Recent(one_, "da"), "1");
  Sleep(200'000);  // until every node knows that it is to tell
  EXPECT_EQ(Recent(one_, "da"), "1");
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "2")).ok());
  Sleep(50'000);
  EXPECT_EQ(Recent(one_, "da"), "2");
}

TEST_F(RecentTest, IsNoOlderThanWhatWasReadOtherwise) {
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "1")).ok());
  EXPECT_EQ(Recent(one_, "da"), "1");
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "2")).ok());
  EXPECT_TRUE(nodes_.Run(one_->Get({"pk", "x"})).ok());
  EXPECT_EQ(Recent(one_, "da"), "2");
}

TEST_F(RecentTest, WhatIsStrongIsAskedForEachTime) {
  client::Txn strong = Put("pk", "da", "1");
  strong.set_strong = true;
  ASSERT_TRUE(Submit(two_, strong).ok());
  EXPECT_EQ(Recent(one_, "da"), "1");
  ASSERT_TRUE(Submit(one_, Put("pk", "da", "2")).ok());
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "3")).ok());
  EXPECT_EQ(Recent(one_, "da"), "3");
  client::ClusterClient* const fresh = nodes_.AnotherClient();
  ASSERT_TRUE(Submit(fresh, Put("pk", "da", "4")).ok());
  ASSERT_TRUE(Submit(two_, Put("pk", "da", "5")).ok());
  EXPECT_EQ(Recent(fresh, "da"), "5") << "also where it was only written";
}

}  // namespace
}  // namespace kvfs::node
