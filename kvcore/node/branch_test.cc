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
using test::Put;
using test::SimNodes;

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

TEST_F(BranchTest, AClientReadsWhatItWroteAsSoonAsTheNetworkIsWhole) {
  Cut({LastHomeOf("dir")});
  ASSERT_TRUE(Submit(far_, Put("dir", "f", "1")).degraded);
  Mend();
  for (int i = 0; i < 20; ++i) {  // whether a majority is reached by now or not
    EXPECT_EQ(Get(far_, "dir", "f"), "1");
    RunFor(50);
  }
  EXPECT_EQ(Get(near_, "dir", "f"), "1");
}

TEST_F(BranchTest, OthersOnTheSameSideAreToldAtOnce) {
  ClusterClient* const beside = cluster_.AnotherClient(1);
  std::vector<client::Change> told;
  beside->SetChangeListener([&](const std::vector<client::Change>& changes) {
    told.insert(told.end(), changes.begin(), changes.end());
  });
  Cut({LastHomeOf("dir")});
  EXPECT_EQ(Get(beside, "dir", "f"), "-");
  RunFor(200);
  told.clear();
  ASSERT_TRUE(Submit(far_, Put("dir", "f", "1")).degraded);
  RunFor(100);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].pk, "dir");
  EXPECT_EQ(told[0].cks, std::vector<Bytes>{"f"});
  beside->SetChangeListener({});
}

TEST_F(BranchTest, WhatWasTakenInSurvivesTheDeathOfTheProcess) {
  const env::NodeId home = LastHomeOf("dir");
  Cut({home});
  ASSERT_TRUE(Submit(far_, Put("dir", "f", "1")).degraded);
  cluster_.Kill(home - 1);
  cluster_.Start(home - 1);
  RunFor(500);
  ASSERT_TRUE(Submit(far_, Put("dir", "g", "2")).degraded);
  EXPECT_EQ(Get(far_, "dir", "f"), "1");
  Mend();
  RunFor(6000);
  EXPECT_EQ(Get(near_, "dir", "f"), "1");
  EXPECT_EQ(Get(near_, "dir", "g"), "2");
  ExpectAllAlike("dir");
}

TEST_F(BranchTest, AStrongKeyTakesNothingInWithoutAMajority) {
  Txn strong = Put("dir", "a", "1");
  strong.set_strong = true;
  ASSERT_TRUE(Submit(near_, strong).status.ok());
  ASSERT_TRUE(Submit(near_, Put("weak", "a", "1")).status.ok());
  RunFor(500);
  const env::NodeId home = LastHomeOf("dir");
  Cut({home});
  const int64_t began = cluster_.world().scheduler().NowMicros();
  const CommitResult refused = Submit(far_, Put("dir", "a", "2"));
  // Long enough for a network that is broken for a moment, and not for ever.
  EXPECT_GE(cluster_.world().scheduler().NowMicros() - began, 5'000'000);
  EXPECT_LT(cluster_.world().scheduler().NowMicros() - began, 8'000'000);
  EXPECT_TRUE(refused.status.code() == Code::kUnavailable ||
              refused.status.code() == Code::kOutcomeUnknown)
      << refused.status.ToString();
  EXPECT_NE(Get(far_, "dir", "a"), "1");  // it may be old
  EXPECT_TRUE(Submit(near_, Put("dir", "b", "2")).status.ok());
  Mend();
  RunFor(3000);
  Txn available = Put("dir", "c", "3");
  available.set_strong = false;
  ASSERT_TRUE(Submit(near_, available).status.ok());
  RunFor(3000);
  Cut({home});
  EXPECT_TRUE(Submit(far_, Put("dir", "d", "4")).degraded);
}

TEST_F(BranchTest, AClientThatWantsAMajorityWaitsForOne) {
  ClusterClient* const strict = cluster_.AnotherClient(1, SimNodes::ClientOptions(false));
  Cut({LastHomeOf("dir")});
  EXPECT_FALSE(Submit(strict, Put("dir", "a", "1")).status.ok());
  ItemKey key("dir", "a");
  EXPECT_EQ(cluster_.Run(strict->Get(key)).status().code(), Code::kUnavailable);
}

TEST_F(BranchTest, ACommitOverSeveralKeysIsWholeOnBothSides) {
  ASSERT_TRUE(Submit(near_, {Put("p", "a", "0"), Put("q", "a", "0")}).status.ok());
  Cut({1});
  const CommitResult far = Submit(far_, {Put("p", "far", "1"), Put("q", "far", "1")});
  ASSERT_TRUE(far.status.ok()) << far.status.ToString();
  EXPECT_TRUE(far.degraded);
  ASSERT_TRUE(Submit(near_, {Put("q", "near", "2"), Put("p", "near", "2")}).status.ok());
  EXPECT_EQ(Get(far_, "q", "far"), "1");
  Mend();
  RunFor(6000);
  for (const char* pk : {"p", "q"}) {
    for (ClusterClient* client : {near_, far_}) {
      EXPECT_EQ(Get(client, pk, "far"), "1");
      EXPECT_EQ(Get(client, pk, "near"), "2");
      const auto page = cluster_.Run(client->Scan(pk, "", "", 10));
      ASSERT_TRUE(page.ok());
      EXPECT_EQ(page->items.size(), 3u) << pk;  // no intent is left
    }
    ExpectAllAlike(pk);
  }
}

// The operation that was on its way when the majority went silent: only the primary has it.
class InFlight : public BranchTest {
 protected:
  InFlight() {
    const auto homes = cluster_.placement().HomesOf(
        replication::PartitionOf(replication::PlaceOf("dir"), SimNodes::kPartitionBits));
    primary_ = homes.front();
    EXPECT_TRUE(Submit(near_, Put("dir", "a", "old")).status.ok());
    EXPECT_TRUE(Submit(near_, Put("dir", "b", "old")).status.ok());
    RunFor(500);
  }
  env::NodeId primary_ = 0;
};

TEST_F(InFlight, APutIsThereOnceAndStays) {
  Cut({primary_});
  Txn both = Put("dir", "a", "new");
  both.writes.push_back({Write::Kind::kErase, "b", {}});
  const CommitResult put = Submit(far_, both);
  ASSERT_TRUE(put.status.ok()) << put.status.ToString();
  EXPECT_TRUE(put.degraded);
  EXPECT_EQ(Get(far_, "dir", "a"), "new");
  EXPECT_EQ(Get(far_, "dir", "b"), "-");
  // The others know nothing of it and go on.
  ASSERT_TRUE(Submit(near_, Put("dir", "c", "near")).status.ok());
  EXPECT_EQ(Get(near_, "dir", "a"), "old");
  Mend();
  RunFor(6000);
  for (ClusterClient* client : {near_, far_}) {
    EXPECT_EQ(Get(client, "dir", "a"), "new");
    EXPECT_EQ(Get(client, "dir", "b"), "-");
    EXPECT_EQ(Get(client, "dir", "c"), "near");
  }
  ExpectAllAlike("dir");
}

TEST_F(InFlight, WhatAMajorityHasAfterAllIsNotThereTwice) {
  // The others hear the primary, but it does not hear them: they take it, and it does not know.
  auto& bus = cluster_.world().bus();
  Cut({primary_});
  for (env::NodeId other = 1; other <= 3; ++other) {
    if (other != primary_) {
      bus.Mend(primary_, other);
    }
  }
  const CommitResult put = Submit(far_, Put("dir", "a", "new"));
  ASSERT_TRUE(put.status.ok()) << put.status.ToString();
  EXPECT_TRUE(put.degraded);
  EXPECT_EQ(Get(near_, "dir", "a"), "new");  // in the trunk
  ASSERT_TRUE(Submit(near_, Put("dir", "a", "newer")).status.ok());
  Mend();
  RunFor(6000);
  EXPECT_EQ(Get(near_, "dir", "a"), "newer");  // the branch's copy is no version of its own
  EXPECT_EQ(Get(far_, "dir", "a"), "newer");
  ExpectAllAlike("dir");
}

// ---- chunks and numbers ------------------------------------------------------

class BranchChunkTest : public BranchTest {
 protected:
  Commit WithChunk(const Bytes& data, const Bytes& value) {
    Commit commit;
    commit.chunks.push_back({Sha256(data), {1, 2, 0, 0}, data});
    commit.txns.push_back(Put("dir", "file", value));
    return commit;
  }
  size_t HomesWith(const Bytes& data) {
    size_t count = 0;
    for (size_t node = 0; node < cluster_.nodes(); ++node) {
      count += *cluster_.node(node)->store()->Contains(replication::ChunkDataKey(Sha256(data)));
    }
    return count;
  }
};

TEST_F(BranchChunkTest, IsWrittenReadAndSyncedOnOneSideAndComesToTheOther) {
  const Bytes data(1000, 'x');
  Cut({LastHomeOf("dir")});
  Commit commit = WithChunk(data, "1");
  commit.sync = true;
  const CommitResult put = cluster_.Run(far_->Submit(std::move(commit)));
  ASSERT_TRUE(put.status.ok()) << put.status.ToString();
  EXPECT_TRUE(put.degraded);
  EXPECT_EQ(HomesWith(data), 1u);
  const auto read = cluster_.Run(far_->ReadChunk(Sha256(data), 0, 2000));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, data);
  Mend();
  RunFor(8000);
  EXPECT_EQ(HomesWith(data), 3u);
  for (size_t node = 0; node < cluster_.nodes(); ++node) {
    const Bytes hints = replication::NodeLocalKey("chunk-hint");
    EXPECT_FALSE(cluster_.node(node)->store()->Scan(hints, replication::PrefixEnd(hints))->Valid());
  }
}

TEST_F(BranchChunkTest, IsNotDroppedWhileAHomeMayStillShowWhatRefersToIt) {
  const Bytes data(1000, 'x');
  ASSERT_TRUE(cluster_.Run(near_->Submit(WithChunk(data, "1"))).status.ok());
  RunFor(500);
  const env::NodeId away = LastHomeOf("dir");
  Cut({away});
  Commit replace;
  replace.txns.push_back(Put("dir", "file", "2"));
  replace.drops.push_back({Sha256(data), {1, 2, 0, 0}});
  ASSERT_TRUE(cluster_.Run(near_->Submit(std::move(replace))).status.ok());
  EXPECT_EQ(HomesWith(data), 3u);
  EXPECT_EQ(Get(far_, "dir", "file"), "1");  // and its chunk is there
  Mend();
  EXPECT_EQ(Get(near_, "dir", "file"), "2");
  RunFor(15000);  // the home is brought up to date, and the drop tried again
  EXPECT_EQ(HomesWith(data), 0u);
}

// How long operations take without a majority.
class BranchTimeTest : public BranchChunkTest {
 protected:
  BranchTimeTest() {
    EXPECT_TRUE(Submit(near_, Put("dir", "a", "old")).status.ok());
    EXPECT_EQ(Get(far_, "dir", "a"), "old");
    RunFor(2000);
  }
  int64_t Now() { return cluster_.world().scheduler().NowMicros() / 1000; }
  // Milliseconds.
  template <typename Operation>
  int64_t Timed(Operation operation) {
    const int64_t began = Now();
    operation();
    return Now() - began;
  }
  void PutFar(int number) {
    const CommitResult put = Submit(far_, Put("dir", "k" + std::to_string(number), "far"));
    EXPECT_TRUE(put.status.ok()) << put.status.ToString();
    EXPECT_TRUE(put.degraded);
  }
  void PutChunkFar(int number) {
    const auto put = cluster_.Run(
        far_->Submit(WithChunk(Bytes(1000 + static_cast<size_t>(number), 'x'), "file")));
    EXPECT_TRUE(put.status.ok()) << put.status.ToString();
  }
};

TEST_F(BranchTimeTest, OnlyTheFirstOperationsAreSlow) {
  Cut({LastHomeOf("dir")});
  EXPECT_LT(Timed([&] { EXPECT_EQ(Get(far_, "dir", "a"), "old"); }), 4000);
  int64_t slowest = 0;
  for (int i = 0; i < 60; ++i) {
    slowest = std::max(slowest, Timed([&] { PutFar(i); }));
    slowest = std::max(slowest, Timed([&] { EXPECT_EQ(Get(far_, "dir", "a"), "old"); }));
    RunFor(100);
  }
  EXPECT_LT(slowest, 300);
  slowest = 0;
  for (int i = 0; i < 30; ++i) {
    slowest = std::max(slowest, Timed([&] { PutChunkFar(i); }));
    RunFor(100);
  }
  EXPECT_LT(slowest, 500);
  RunFor(20'000);  // what was learnt is forgotten
  EXPECT_LT(Timed([&] { PutFar(100); }), 1000);
}

TEST_F(BranchTimeTest, AnOperationThatHasBegunIsToldAsSoonAsItIsKnown) {
  Cut({cluster_.placement()
           .HomesOf(replication::PartitionOf(replication::PlaceOf("dir"), SimNodes::kPartitionBits))
           .front()});
  EXPECT_LT(Timed([&] { PutFar(0); }), 4000);  // its home reigned, and waited for the others
  EXPECT_LT(Timed([&] { PutFar(1); }), 300);
}

TEST_F(BranchTimeTest, AChunkWaitsForNobodyLong) {
  Cut({LastHomeOf("dir")});
  EXPECT_LT(Timed([&] { PutChunkFar(0); }), 5000);
}

TEST_F(BranchTimeTest, TheMajorityMissesOneThatIsSilentOnce) {
  Cut({cluster_.placement()
           .HomesOf(replication::PartitionOf(replication::PlaceOf("dir"), SimNodes::kPartitionBits))
           .front()});
  EXPECT_LT(Timed([&] { ASSERT_TRUE(Submit(near_, Put("dir", "b", "near")).status.ok()); }), 2500);
  int64_t slowest = 0;
  for (int i = 0; i < 40; ++i) {
    slowest = std::max(
        slowest, Timed([&] { ASSERT_TRUE(Submit(near_, Put("dir", "b", "near")).status.ok()); }));
    slowest = std::max(slowest, Timed([&] { EXPECT_EQ(Get(near_, "dir", "b"), "near"); }));
    RunFor(100);
  }
  EXPECT_LT(slowest, 300);
}

TEST_F(BranchTest, NumbersOfInodesGoOnAndAreNobodyElses) {
  std::set<uint64_t> numbers;
  for (ClusterClient* client : {near_, far_}) {
    numbers.insert(*cluster_.Run(client->AllocateInode()));
  }
  RunFor(1000);
  Cut({1});
  for (int i = 0; i < 5; ++i) {
    for (ClusterClient* client : {near_, far_}) {
      const auto number = cluster_.Run(client->AllocateInode());
      ASSERT_TRUE(number.ok());
      EXPECT_TRUE(numbers.insert(*number).second);
    }
  }
}

}  // namespace
}  // namespace kvfs::node
