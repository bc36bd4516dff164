// A ClusterClient and three whole nodes on simulated machines.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kvcore/client/intent.h"
#include "kvcore/node/sim_nodes_test_support.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

using client::Assert;
using client::ChunkRef;
using client::Commit;
using client::ItemKey;
using client::Txn;
using client::WorkKey;
using client::Write;
using test::Put;
using test::SimNodes;

Commit Of(std::vector<Txn> txns) {
  Commit commit;
  commit.txns = std::move(txns);
  return commit;
}
Commit WithChunk(const Bytes& data, ChunkRef ref) {
  Commit commit;
  commit.chunks.push_back({Sha256(data), ref, data});
  return commit;
}

class ClusterTest : public ::testing::Test {
 protected:
  Status Submit(Commit commit) {
    return cluster_.Run(cluster_.client()->Submit(std::move(commit))).status;
  }
  // "-": absent.
  Bytes Get(Bytes pk, Bytes ck) {
    ItemKey key(std::move(pk), std::move(ck));
    auto item = cluster_.Run(cluster_.client()->Get(std::move(key)));
    EXPECT_TRUE(item.ok()) << item.status().ToString();
    return item.ok() && item->has_value() ? (*item)->value() : "-";
  }
  Result<Bytes> ReadChunk(const Bytes& data) {
    return cluster_.Run(cluster_.client()->ReadChunk(Sha256(data), 0, 1 << 20));
  }
  size_t HomesWith(const Bytes& data) {
    size_t count = 0;
    for (size_t node = 0; node < cluster_.nodes(); ++node) {
      const Bytes key = replication::ChunkDataKey(Sha256(data));
      count += cluster_.node(node) != nullptr && *cluster_.node(node)->store()->Contains(key);
    }
    return count;
  }
  void RunFor(int64_t millis) { cluster_.world().RunFor(millis * 1000); }

  SimNodes cluster_{1};
};

TEST_F(ClusterTest, ItemsAreReadBack) {
  ASSERT_TRUE(Submit(Of({Put("dir", "a", "1")})).ok());
  EXPECT_EQ(Get("dir", "a"), "1");
  EXPECT_EQ(Get("dir", "b"), "-");
  Txn erase;
  erase.pk = "dir";
  erase.writes.push_back({Write::Kind::kErase, "a", {}});
  ASSERT_TRUE(Submit(Of({erase})).ok());
  EXPECT_EQ(Get("dir", "a"), "-");
}

TEST_F(ClusterTest, OutcomesAreForgottenOnceTheyAreSettled) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(Submit(Of({Put("dir", "a", std::to_string(i))})).ok());
    ASSERT_TRUE(Submit(Of({Put("dir", "b", "1"), Put("other", "b", "2")})).ok());
  }
  RunFor(1000);
  for (const char* pk : {"dir", "other"}) {
    const Bytes prefix = replication::PkPrefix(pk);
    const auto entries = cluster_.node(0)->store()->Scan(prefix, replication::PrefixEnd(prefix));
    size_t count = 0;
    for (; entries->Valid(); entries->Next()) {
      ++count;
    }
    EXPECT_LT(count, 100u) << pk;
  }
}

TEST_F(ClusterTest, AssertsAreNumberedAsTheirUserWroteThem) {
  Txn txn = Put("dir", "a", "1");
  txn.asserts.push_back({Assert::Kind::kAbsent, "a", {}});
  txn.asserts.push_back({Assert::Kind::kPresent, "nothing", {}});
  const auto result = cluster_.Run(cluster_.client()->Submit(Of({txn})));
  EXPECT_EQ(result.status.code(), Code::kConflict);
  EXPECT_EQ(result.failed_assert, 1u);
}

TEST_F(ClusterTest, ManyKeysOfManyPksAreReadInOrder) {
  std::vector<ItemKey> keys;
  for (int i = 0; i < 20; ++i) {
    const Bytes pk = "dir" + std::to_string(i % 7);
    const Bytes ck = "ck" + std::to_string(i);
    ASSERT_TRUE(Submit(Of({Put(pk, ck, std::to_string(i))})).ok());
    keys.emplace_back(pk, ck);
    keys.emplace_back(pk, "none");
  }
  const auto items = cluster_.Run(cluster_.client()->GetMany(keys));
  ASSERT_TRUE(items.ok());
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ((*items)[2 * i]->value(), std::to_string(i));
    EXPECT_FALSE((*items)[2 * i + 1].has_value());
  }
}

TEST_F(ClusterTest, ScansPageThroughARange) {
  for (int i = 100; i < 200; ++i) {
    ASSERT_TRUE(Submit(Of({Put("dir", "k" + std::to_string(i), Bytes(100, 'x'))})).ok());
  }
  ASSERT_TRUE(Submit(Of({Put("dir", "l", "behind")})).ok());
  std::vector<Bytes> seen;
  Bytes begin = "k110";
  while (true) {
    const auto page = cluster_.Run(cluster_.client()->Scan("dir", begin, "l", 30));
    ASSERT_TRUE(page.ok()) << page.status().ToString();
    for (const auto& item : page->items) {
      seen.push_back(item.ck);
    }
    ASSERT_LE(page->items.size(), 30u);
    if (!page->more) {
      break;
    }
    begin = seen.back() + '\0';
  }
  ASSERT_EQ(seen.size(), 90u);
  EXPECT_EQ(seen.front(), "k110");
  EXPECT_EQ(seen.back(), "k199");
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_F(ClusterTest, CommitsOverSeveralPksHappenWholeOrNotAtAll) {
  Txn first = Put("parent", "entry", "child");
  Txn second = Put("child", "self", "record");
  second.asserts.push_back({Assert::Kind::kAbsent, "self", {}});
  const auto made = cluster_.Run(cluster_.client()->Submit(Of({first, second})));
  ASSERT_TRUE(made.status.ok()) << made.status.ToString();
  ASSERT_EQ(made.versions.size(), 2u);
  EXPECT_EQ(Get("parent", "entry"), "child");
  EXPECT_EQ(Get("child", "self"), "record");

  first.writes[0].value = "another";
  const auto refused = cluster_.Run(cluster_.client()->Submit(Of({first, second})));
  EXPECT_EQ(refused.status.code(), Code::kConflict);
  EXPECT_EQ(refused.failed_txn, 1u);
  EXPECT_EQ(refused.failed_assert, 0u);
  EXPECT_EQ(Get("parent", "entry"), "child");
  const auto left = cluster_.Run(cluster_.client()->Scan("child", "", "", 100));
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->items.size(), 1u);  // no intent, and no other trace
}

// What a client leaves that dies between the steps.
class Interrupted : public ClusterTest {
 protected:
  // The intent of a commit that writes "y"/"a" if the operation on "x" has happened.
  void LeaveIntent() {
    ASSERT_TRUE(Submit(Of({client::Prepare(Put("y", "a", "new"), "x", kOp)})).ok());
  }
  const client::OpId kOp{77, 1};
};

TEST_F(Interrupted, UndecidedIsNotSeenAndMakesRoom) {
  ASSERT_TRUE(Submit(Of({Put("y", "a", "old")})).ok());
  LeaveIntent();
  EXPECT_EQ(Get("y", "a"), "old");
  ASSERT_TRUE(Submit(Of({Put("y", "b", "more")})).ok());  // aborts it
  EXPECT_EQ(Get("y", "a"), "old");
  EXPECT_EQ(Get("y", "b"), "more");
}

TEST_F(ClusterTest, ClientsInEachOthersWayAllGetOn) {
  constexpr int kClients = 4;
  constexpr int kRounds = 10;
  std::vector<client::ClusterClient*> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(cluster_.AnotherClient());
  }
  // Each moves one coin between two of three purses; what is asserted is what was read.
  for (const char* purse : {"p0", "p1", "p2"}) {
    ASSERT_TRUE(Submit(Of({Put(purse, "coins", "100")})).ok());
  }
  const auto move = [](client::ClusterClient* client, Bytes from, Bytes to) -> Task<bool> {
    std::vector<ItemKey> keys;
    keys.emplace_back(from, "coins");
    keys.emplace_back(to, "coins");
    const auto items = co_await client->GetMany(keys);
    if (!items.ok()) {
      co_return false;
    }
    const int had = std::stoi((*items)[0]->value());
    const int has = std::stoi((*items)[1]->value());
    std::vector<Txn> txns;
    txns.push_back(Put(from, "coins", std::to_string(had - 1)));
    txns.push_back(Put(to, "coins", std::to_string(has + 1)));
    for (size_t i = 0; i < 2; ++i) {
      txns[i].asserts.push_back({Assert::Kind::kVersion, "coins", (*items)[i]->version});
    }
    Commit commit = Of(std::move(txns));
    const auto result = co_await client->Submit(std::move(commit));
    co_return result.status.ok();
  };
  int moved = 0;
  const auto work = [&](int number) -> Task<void> {
    for (int done = 0; done < kRounds;) {
      const Bytes from = "p" + std::to_string((number + done) % 3);
      const Bytes to = "p" + std::to_string((number + 2 * done + 1 + done % 2) % 3);
      if (from == to) {
        ++done;
        continue;
      }
      const bool happened = co_await move(clients[static_cast<size_t>(number)], from, to);
      moved += happened;
      done += happened;
    }
  };
  std::vector<Task<void>> workers;
  for (int i = 0; i < kClients; ++i) {
    workers.push_back(work(i));
  }
  ASSERT_TRUE(cluster_.world().scheduler().RunUntil(
      [&] {
        return std::all_of(workers.begin(), workers.end(),
                           [](const Task<void>& worker) { return worker.IsDone(); });
      },
      300'000'000));
  EXPECT_GT(moved, kClients);
  EXPECT_EQ(
      std::stoi(Get("p0", "coins")) + std::stoi(Get("p1", "coins")) + std::stoi(Get("p2", "coins")),
      300);
}

TEST_F(ClusterTest, ChunksAreOnAllHomesAndGoWithTheirLastReference) {
  const Bytes data(5000, 'd');
  ASSERT_TRUE(Submit(WithChunk(data, {1, 2, 0, 0})).ok());
  ASSERT_TRUE(Submit(WithChunk(data, {1, 3, 0, 0})).ok());
  EXPECT_EQ(HomesWith(data), 3u);
  EXPECT_EQ(*ReadChunk(data), data);
  Commit drop;
  drop.drops.push_back({Sha256(data), {1, 2, 0, 0}});
  ASSERT_TRUE(Submit(drop).ok());
  EXPECT_EQ(HomesWith(data), 3u);
  drop.drops[0].ref.ino = 3;
  ASSERT_TRUE(Submit(drop).ok());
  EXPECT_EQ(HomesWith(data), 0u);
  EXPECT_EQ(ReadChunk(data).status().code(), Code::kNotFound);
}

TEST_F(ClusterTest, AReferenceWithoutBytesNeedsAChunkThatIsThere) {
  const Bytes data(5000, 'd');
  Commit refer;
  refer.chunks.push_back({Sha256(data), {1, 2, 0, 0}, std::nullopt});
  EXPECT_EQ(Submit(refer).code(), Code::kNotFound);
  // Where one home has missed the bytes, it gets them with the reference.
  cluster_.Kill(0);
  ASSERT_TRUE(Submit(WithChunk(data, {1, 3, 0, 0})).ok());
  cluster_.Start(0);
  RunFor(5000);
  ASSERT_TRUE(cluster_.AllUp());
  cluster_.Kill(1);
  ASSERT_TRUE(Submit(refer).ok());
  EXPECT_EQ(HomesWith(data), 2u);
}

TEST_F(ClusterTest, DamagedChunksAreReadFromAnotherHome) {
  const Bytes data(5000, 'd');
  ASSERT_TRUE(Submit(WithChunk(data, {1, 2, 0, 0})).ok());
  for (size_t node = 0; node < 2; ++node) {
    std::vector<replication::StoreWrite> writes(1);
    writes[0].key = replication::ChunkDataKey(Sha256(data));
    writes[0].value = Bytes(5000, 'x');
    ASSERT_TRUE(cluster_.node(node)->store()->Apply(writes, {}).ok());
  }
  EXPECT_EQ(*ReadChunk(data), data);
}

TEST_F(ClusterTest, GoesOnWhileOneNodeIsAway) {
  const Bytes early(5000, 'e');
  ASSERT_TRUE(Submit(WithChunk(early, {1, 2, 0, 0})).ok());
  ASSERT_TRUE(Submit(Of({Put("dir", "a", "1")})).ok());
  for (size_t victim = 0; victim < 3; ++victim) {
    cluster_.Kill(victim);
    const Bytes late(5000, static_cast<char>('0' + victim));
    ASSERT_TRUE(Submit(WithChunk(late, {1, 3 + victim, 0, 0})).ok());
    ASSERT_TRUE(Submit(Of({Put("dir", "b", std::to_string(victim))})).ok());
    EXPECT_EQ(Get("dir", "a"), "1");
    EXPECT_EQ(Get("dir", "b"), std::to_string(victim));
    EXPECT_EQ(*ReadChunk(early), early);
    EXPECT_EQ(*ReadChunk(late), late);
    cluster_.Start(victim);
    RunFor(3000);
    cluster_.Bury();
    ASSERT_TRUE(cluster_.AllUp());
  }
}

TEST_F(ClusterTest, AHomeGetsTheChunksItMissedAndNotThoseThatAreGone) {
  const Bytes missed(5000, 'm');
  const Bytes gone(5000, 'g');
  RunFor(5000);  // a new cluster's nodes have found that they have missed nothing
  ASSERT_TRUE(Submit(WithChunk(gone, {1, 2, 0, 0})).ok());
  cluster_.Kill(0);
  ASSERT_TRUE(Submit(WithChunk(missed, {1, 3, 0, 0})).ok());
  Commit drop;
  drop.drops.push_back({Sha256(gone), {1, 2, 0, 0}});
  ASSERT_TRUE(Submit(drop).ok());
  EXPECT_EQ(HomesWith(missed), 2u);
  RunFor(5000);  // nobody tries to reach the one that is away any more
  cluster_.Start(0);
  RunFor(30'000);
  EXPECT_EQ(HomesWith(missed), 3u);
  for (size_t node = 1; node < 3; ++node) {
    cluster_.Kill(node);
    RunFor(3000);
    cluster_.Start(node);
    RunFor(30'000);
    cluster_.Bury();
  }
  EXPECT_EQ(HomesWith(gone), 1u);  // still on the home that was away, and spread no further
  drop.drops[0] = {Sha256(missed), {1, 3, 0, 0}};
  ASSERT_TRUE(Submit(drop).ok());
  EXPECT_EQ(HomesWith(missed), 0u);
}

TEST_F(ClusterTest, RefusesWithinItsTimeWhereThereIsNoMajority) {
  client::ClusterClient* const strict = cluster_.AnotherClient(0, SimNodes::ClientOptions(false));
  cluster_.Kill(0);
  cluster_.Kill(1);
  const int64_t began = cluster_.world().scheduler().NowMicros();
  const Status refused = cluster_.Run(strict->Submit(Of({Put("dir", "a", "1")}))).status;
  EXPECT_TRUE(refused.code() == Code::kUnavailable || refused.code() == Code::kOutcomeUnknown)
      << refused.ToString();
  ItemKey key("dir", "a");
  EXPECT_EQ(cluster_.Run(strict->Get(key)).status().code(), Code::kUnavailable);
  const Bytes data = "data";
  EXPECT_EQ(cluster_.Run(strict->Submit(WithChunk(data, {1, 2, 0, 0}))).status.code(),
            Code::kUnavailable);
  EXPECT_LT(cluster_.world().scheduler().NowMicros() - began, 3 * 40'000'000);
}

TEST_F(ClusterTest, InodeNumbersAreNobodyElses) {
  client::ClusterClient* const other = cluster_.AnotherClient();
  std::set<uint64_t> numbers;
  for (int i = 0; i < 30; ++i) {
    for (client::ClusterClient* client : {cluster_.client(), other}) {
      const auto number = cluster_.Run(client->AllocateInode());
      ASSERT_TRUE(number.ok());
      EXPECT_GT(*number, uint64_t{1} << 32);
      EXPECT_LT(*number, uint64_t{1} << 53);
      EXPECT_TRUE(numbers.insert(*number).second);
    }
  }
}

TEST_F(ClusterTest, ClientsAgreeOnWhatTheClusterWasMadeWith) {
  client::ClusterClient* const other = cluster_.AnotherClient();
  EXPECT_EQ(other->info().name_hash_key.k0, cluster_.client()->info().name_hash_key.k0);
  EXPECT_EQ(other->info().name_hash_key.k1, cluster_.client()->info().name_hash_key.k1);
  EXPECT_EQ(other->info().chunk_bytes, 128u << 10);
}

TEST_F(ClusterTest, WorkIsFoundFromItsTimeOnUntilItIsDone) {
  const WorkKey line{1000, 3, "job"};
  Txn txn = Put("dir", "a", "1");
  txn.work_puts.emplace_back(line, "what");
  ASSERT_TRUE(Submit(Of({txn})).ok());
  const auto due = [&](int64_t now) {
    auto found = cluster_.Run(cluster_.client()->DueWork(now, 100));
    EXPECT_TRUE(found.ok());
    return *found;
  };
  EXPECT_TRUE(due(999).empty());
  ASSERT_EQ(due(1000).size(), 1u);
  EXPECT_EQ(due(1000)[0].key, line);
  EXPECT_EQ(due(1000)[0].value, "what");
  cluster_.Kill(0);  // every home has the line
  RunFor(5000);
  EXPECT_EQ(due(1000).size(), 1u);
  cluster_.Start(0);
  RunFor(1000);
  Txn done;
  done.pk = "dir";
  done.work_erases.push_back(line);
  ASSERT_TRUE(Submit(Of({done})).ok());
  RunFor(90'000);  // a home that has missed it is brought up to date
  EXPECT_TRUE(due(1000).empty());
  for (size_t node = 0; node < 3; ++node) {
    for (uint32_t partition = 0; partition < 8; ++partition) {
      const Bytes prefix =
          replication::WorkPrefix(replication::FirstPlace(partition, SimNodes::kPartitionBits));
      const auto lines = cluster_.node(node)->store()->Scan(prefix, replication::PrefixEnd(prefix));
      EXPECT_FALSE(lines->Valid()) << "node " << node << " still has a line";
    }
  }
}

TEST_F(ClusterTest, SpaceIsThatOfOneCopy) {
  const auto space = cluster_.Run(cluster_.client()->Space());
  ASSERT_TRUE(space.ok());
  const auto one = cluster_.node(0)->store()->GetSpace();
  ASSERT_TRUE(one.ok());
  EXPECT_NEAR(static_cast<double>(space->total_bytes), static_cast<double>(one->total_bytes),
              static_cast<double>(one->total_bytes) / 100);
  EXPECT_TRUE(cluster_.Run(cluster_.client()->Sync()).ok());
  cluster_.Kill(0);
  const auto less = cluster_.Run(cluster_.client()->Space());
  ASSERT_TRUE(less.ok());
  EXPECT_NEAR(static_cast<double>(less->total_bytes), static_cast<double>(one->total_bytes),
              static_cast<double>(one->total_bytes) / 100);
  EXPECT_TRUE(cluster_.Run(cluster_.client()->Sync()).ok());  // two of three
}

}  // namespace
}  // namespace kvfs::node
