// A cluster whose network is cut in two: both sides go on, and what both did is there when it is
// whole again.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kvcore/node/sim_nodes_test_support.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

using client::Assert;
using client::ClusterClient;
using client::Commit;
using client::CommitResult;
using client::ItemKey;
using client::Txn;
using client::Write;
using test::SimNodes;

Txn Put(Bytes pk, Bytes ck, Bytes value) {
  Txn txn;
  txn.pk = std::move(pk);
  txn.writes.push_back({Write::Kind::kPut, std::move(ck), std::move(value)});
  return txn;
}
Txn Erase(Bytes pk, Bytes ck) {
  Txn txn;
  txn.pk = std::move(pk);
  txn.writes.push_back({Write::Kind::kErase, std::move(ck), {}});
  return txn;
}

class BranchTest : public ::testing::Test {
 protected:
  BranchTest() : near_(cluster_.client()), far_(cluster_.AnotherClient(1)) {}

  CommitResult Submit(ClusterClient* client, std::vector<Txn> txns, bool sync = false) {
    Commit commit;
    commit.txns = std::move(txns);
    commit.sync = sync;
    return cluster_.Run(client->Submit(std::move(commit)));
  }
  CommitResult Submit(ClusterClient* client, Txn txn) {
    return Submit(client, std::vector<Txn>(1, std::move(txn)));
  }
  // The values, least first, with a comma between; "-": absent.
  std::string Get(ClusterClient* client, Bytes pk, Bytes ck) {
    ItemKey key(std::move(pk), std::move(ck));
    const auto item = cluster_.Run(client->Get(std::move(key)));
    if (!item.ok()) {
      return item.status().ToString();
    }
    std::set<std::string> values;
    if (item->has_value()) {
      for (const auto& sibling : (*item)->siblings) {
        values.insert(sibling.value);
      }
    }
    std::string text;
    for (const std::string& value : values) {
      text += (text.empty() ? "" : ",") + value;
    }
    return text.empty() ? "-" : text;
  }
  // The far client and these nodes on one side, everybody else on the other.
  void Cut(std::set<env::NodeId> side) {
    side.insert(cluster_.ClientId(1));
    (void)cluster_.world().bus().Partition(side);
  }
  void Mend() { cluster_.world().bus().MendAll(); }
  env::NodeId LastHomeOf(ByteView pk) {
    const auto homes = cluster_.placement().HomesOf(
        replication::PartitionOf(replication::PlaceOf(pk), SimNodes::kPartitionBits));
    return homes.back();
  }
  void RunFor(int64_t millis) { cluster_.world().RunFor(millis * 1000); }
  // Every home holds the same of the pk, and nothing of a branch.
  void ExpectAllAlike(const Bytes& pk) {
    std::vector<std::map<Bytes, Bytes>> all;
    for (size_t node = 0; node < cluster_.nodes(); ++node) {
      if (cluster_.node(node) == nullptr) {
        continue;
      }
      auto& content = all.emplace_back();
      for (const Bytes& prefix : {replication::PkPrefix(pk), replication::BranchPrefix(pk)}) {
        const auto entries =
            cluster_.node(node)->store()->Scan(prefix, replication::PrefixEnd(prefix));
        for (; entries->Valid(); entries->Next()) {
          content[Bytes(entries->key())] = Bytes(entries->value());
        }
      }
      EXPECT_EQ(content.lower_bound(replication::BranchPrefix(pk)), content.end())
          << "a branch is left at node " << node + 1;
      EXPECT_EQ(content, all.front()) << "node " << node + 1;
    }
  }

  SimNodes cluster_{1};
  ClusterClient* const near_;
  ClusterClient* const far_;
};

TEST_F(BranchTest, BothSidesWriteAndBothAreKept) {
  ASSERT_TRUE(Submit(near_, Put("dir", "both", "old")).status.ok());
  ASSERT_TRUE(Submit(near_, Put("dir", "gone", "old")).status.ok());
  Cut({LastHomeOf("dir")});
  ASSERT_TRUE(Submit(near_, Put("dir", "both", "near")).status.ok());
  ASSERT_TRUE(Submit(near_, Put("dir", "n", "1")).status.ok());
  const CommitResult far = Submit(far_, Put("dir", "both", "far"));
  ASSERT_TRUE(far.status.ok()) << far.status.ToString();
  EXPECT_TRUE(far.degraded);
  ASSERT_TRUE(Submit(far_, Put("dir", "f", "2")).status.ok());
  ASSERT_TRUE(Submit(far_, Erase("dir", "gone")).status.ok());
  EXPECT_EQ(Get(far_, "dir", "both"), "far");
  EXPECT_EQ(Get(far_, "dir", "f"), "2");
  EXPECT_EQ(Get(far_, "dir", "n"), "-");
  EXPECT_EQ(Get(far_, "dir", "gone"), "-");
  EXPECT_EQ(Get(near_, "dir", "both"), "near");
  EXPECT_EQ(Get(near_, "dir", "f"), "-");
  EXPECT_EQ(Get(near_, "dir", "gone"), "old");

  Mend();
  RunFor(6000);
  for (ClusterClient* client : {near_, far_}) {
    EXPECT_EQ(Get(client, "dir", "both"), "far,near");
    EXPECT_EQ(Get(client, "dir", "n"), "1");
    EXPECT_EQ(Get(client, "dir", "f"), "2");
    EXPECT_EQ(Get(client, "dir", "gone"), "-");
  }
  ExpectAllAlike("dir");
}

}  // namespace
}  // namespace kvfs::node
