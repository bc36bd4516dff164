#include "kvcore/client/local_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "kvcore/replication/keys.h"
#include "tests/support/local_fs_store.h"

namespace kvfs::client {
namespace {

using Kind = Assert::Kind;

class LocalClientTest : public ::testing::Test {
 protected:
  static Write Put(Bytes ck, Bytes value) {
    return {Write::Kind::kPut, std::move(ck), std::move(value)};
  }
  static Write Erase(Bytes ck) { return {Write::Kind::kErase, std::move(ck), {}}; }
  CommitResult Submit(Commit commit) { return store_.Await(store_.client()->Submit(commit)); }
  CommitResult Change(Bytes pk, std::vector<Assert> asserts, std::vector<Write> writes) {
    Commit commit;
    commit.txns.push_back({std::move(pk), std::move(asserts), std::move(writes), {}, {}});
    return Submit(std::move(commit));
  }
  std::optional<Item> Get(Bytes pk, Bytes ck) {
    auto item = store_.Await(store_.client()->Get({std::move(pk), std::move(ck)}));
    EXPECT_TRUE(item.ok());
    return *item;
  }
  Bytes Value(Bytes pk, Bytes ck) {
    auto item = Get(std::move(pk), std::move(ck));
    return item.has_value() ? item->value() : "(none)";
  }
  ChunkInfo InfoOf(ChunkId id) { return *store_.Await(store_.client()->GetChunkInfo(id)); }

  testing::LocalFsStore store_;
};

TEST_F(LocalClientTest, ATransactionHappensWholeOrNotAtAll) {
  const CommitResult made =
      Change("dir", {{Kind::kAbsent, "a", {}}}, {Put("a", "1"), Put("b", "2")});
  ASSERT_TRUE(made.status.ok()) << made.status.ToString();
  ASSERT_EQ(made.versions.size(), 1u);
  EXPECT_EQ(Get("dir", "a")->version, made.versions[0]);
  EXPECT_EQ(Get("dir", "b")->version, made.versions[0]);

  const CommitResult refused = Change("dir", {{Kind::kPresent, "b", {}}, {Kind::kAbsent, "a", {}}},
                                      {Put("b", "x"), Put("c", "y")});
  EXPECT_EQ(refused.status.code(), Code::kConflict);
  EXPECT_EQ(refused.failed_txn, 0u);
  EXPECT_EQ(refused.failed_assert, 1u);
  EXPECT_EQ(Value("dir", "b"), "2");
  EXPECT_EQ(Value("dir", "c"), "(none)");
}

TEST_F(LocalClientTest, EveryKindOfAssert) {
  const VersionId first = Change("dir", {}, {Put("p/1", "x")}).versions[0];
  const VersionId absent;
  EXPECT_TRUE(Change("dir", {{Kind::kVersion, "p/1", first}}, {Put("q", "1")}).status.ok());
  EXPECT_TRUE(Change("dir", {{Kind::kVersion, "zz", absent}}, {Put("q", "2")}).status.ok());
  EXPECT_EQ(Change("dir", {{Kind::kVersion, "q", first}}, {}).status.code(), Code::kConflict);
  EXPECT_EQ(Change("dir", {{Kind::kVersion, "q", absent}}, {}).status.code(), Code::kConflict);
  EXPECT_EQ(Change("dir", {{Kind::kPresent, "zz", {}}}, {}).status.code(), Code::kConflict);
  EXPECT_EQ(Change("dir", {{Kind::kPrefixEmpty, "p/", {}}}, {}).status.code(), Code::kConflict);
  EXPECT_TRUE(Change("dir", {{Kind::kPrefixEmpty, "p0", {}}}, {}).status.ok());
  EXPECT_TRUE(Change("dir", {}, {Erase("p/1")}).status.ok());
  EXPECT_TRUE(Change("dir", {{Kind::kPrefixEmpty, "p/", {}}}, {}).status.ok());
}

TEST_F(LocalClientTest, TransactionsOfOneCommitTakeEffectTogether) {
  Change("from", {}, {Put("name", "ino")});
  Commit move;
  move.txns.push_back({"from", {{Kind::kPresent, "name", {}}}, {Erase("name")}, {}, {}});
  move.txns.push_back({"to", {{Kind::kAbsent, "name", {}}}, {Put("name", "ino")}, {}, {}});
  Change("to", {}, {Put("name", "other")});
  CommitResult refused = Submit(move);
  EXPECT_EQ(refused.status.code(), Code::kConflict);
  EXPECT_EQ(refused.failed_txn, 1u);
  EXPECT_EQ(Value("from", "name"), "ino");
  Change("to", {}, {Erase("name")});
  const uint64_t batches = store_.memory().batches();
  EXPECT_TRUE(Submit(move).status.ok());
  EXPECT_EQ(store_.memory().batches(), batches + 1);
  EXPECT_EQ(Value("from", "name"), "(none)");
  EXPECT_EQ(Value("to", "name"), "ino");
}

TEST_F(LocalClientTest, ScanPagesInOrderAndShowsUsersItemsOnly) {
  for (int i = 0; i < 25; ++i) {
    Change("dir", {}, {Put("k" + std::string(1, static_cast<char>('a' + i)), std::to_string(i))});
  }
  Change("di", {}, {Put("ka", "other")});
  Change("dir2", {}, {Put("ka", "other")});
  Bytes begin;
  std::vector<Bytes> seen;
  for (;;) {
    auto page = store_.Await(store_.client()->Scan("dir", begin, "", 10));
    ASSERT_TRUE(page.ok());
    for (const Item& item : page->items) {
      seen.push_back(item.ck);
    }
    if (!page->more) {
      break;
    }
    begin = page->items.back().ck + Bytes(1, '\0');
  }
  ASSERT_EQ(seen.size(), 25u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  auto range = store_.Await(store_.client()->Scan("dir", "kc", "ke", 10));
  ASSERT_EQ(range->items.size(), 2u);
  EXPECT_EQ(range->items[0].ck, "kc");
  EXPECT_FALSE(range->more);
}

TEST_F(LocalClientTest, ReservedKeysAndWrongSizesAreRefused) {
  EXPECT_EQ(Change("W", {}, {Put("a", "")}).status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Change("C" + Bytes(32, 'x'), {}, {Put("a", "")}).status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Change("", {}, {Put("a", "")}).status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Change(Bytes(65, 'x'), {}, {Put("a", "")}).status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Change("dir", {}, {Put(Bytes(1, '\0'), "")}).status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Change("dir", {}, {Put("\xff", "")}).status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Change("dir", {}, {Put(Bytes(1025, 'x'), "")}).status.code(), Code::kInvalidArgument);
  EXPECT_EQ(store_.Await(store_.client()->Get({"W", "a"})).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store_.Await(store_.client()->Scan("W", "", "", 1)).status().code(),
            Code::kInvalidArgument);
  Commit twice;
  twice.txns = {{"dir", {}, {Put("a", "1")}, {}, {}}, {"dir", {}, {Put("b", "1")}, {}, {}}};
  EXPECT_EQ(Submit(twice).status.code(), Code::kInvalidArgument);
}

TEST_F(LocalClientTest, ChunkBytesStayUntilTheirLastReferenceGoes) {
  const Bytes data(100'000, 'c');
  const ChunkId id = Sha256(data);
  const ChunkRef first{1, 10, 0, 0};
  const ChunkRef second{1, 11, 0, 5};
  Commit put;
  put.chunks = {{id, first, data}, {id, second, data}};
  ASSERT_TRUE(Submit(put).status.ok());
  EXPECT_EQ(InfoOf(id).references, 2u);
  EXPECT_EQ(InfoOf(id).raw_bytes, data.size());
  EXPECT_EQ(*store_.Await(store_.client()->ReadChunk(id, 99'998, 10)), "cc");

  Commit drop;
  drop.drops = {{id, second}};
  ASSERT_TRUE(Submit(drop).status.ok());
  EXPECT_EQ(InfoOf(id).references, 1u);
  EXPECT_TRUE(InfoOf(id).present);
  ASSERT_TRUE(Submit(drop).status.ok());  // again: it is gone already
  EXPECT_TRUE(InfoOf(id).present);
  drop.drops = {{id, first}};
  ASSERT_TRUE(Submit(drop).status.ok());
  EXPECT_FALSE(InfoOf(id).present);
  EXPECT_EQ(InfoOf(id).references, 0u);
  EXPECT_EQ(store_.Await(store_.client()->ReadChunk(id, 0, 1)).status().code(), Code::kNotFound);
}

TEST_F(LocalClientTest, OneCommitMayMoveTheOnlyReference) {
  const Bytes data(5000, 'm');
  const ChunkId id = Sha256(data);
  Commit put;
  put.chunks = {{id, {1, 10, 0, 0}, data}};
  ASSERT_TRUE(Submit(put).status.ok());
  Commit move;
  move.chunks = {{id, {1, 10, 0, 7}, std::nullopt}};
  move.drops = {{id, {1, 10, 0, 0}}};
  ASSERT_TRUE(Submit(move).status.ok());
  EXPECT_TRUE(InfoOf(id).present);
  EXPECT_EQ(InfoOf(id).references, 1u);
  Commit both;  // put and dropped in one: not there afterwards
  both.chunks = {{id, {1, 10, 0, 7}, std::nullopt}};
  both.drops = {{id, {1, 10, 0, 7}}};
  ASSERT_TRUE(Submit(both).status.ok());
  EXPECT_FALSE(InfoOf(id).present);
}

TEST_F(LocalClientTest, AReferenceToAMissingChunkFailsTheWholeCommit) {
  Commit commit;
  commit.chunks = {{Sha256("nobody has this"), {1, 2, 0, 0}, std::nullopt}};
  commit.txns = {{"dir", {}, {Put("a", "1")}, {}, {}}};
  const CommitResult result = Submit(commit);
  EXPECT_EQ(result.status.code(), Code::kNotFound);
  EXPECT_TRUE(result.versions.empty());
  EXPECT_EQ(Value("dir", "a"), "(none)");
}

TEST_F(LocalClientTest, ManyCopiesGoOneByOneInAnyOrder) {
  const Bytes data(5000, 'n');
  const ChunkId id = Sha256(data);
  std::vector<uint64_t> inodes;
  for (uint64_t ino = 10; ino < 60; ++ino) {
    Commit put;
    put.chunks = {{id, {1, ino, 0, 0}, data}};
    ASSERT_TRUE(Submit(put).status.ok());
    inodes.push_back(ino);
  }
  std::mt19937 random(5);
  std::shuffle(inodes.begin(), inodes.end(), random);
  while (!inodes.empty()) {
    ASSERT_TRUE(InfoOf(id).present);
    ASSERT_EQ(InfoOf(id).references, inodes.size());
    Commit drop;
    drop.drops = {{id, {1, inodes.back(), 0, 0}}};
    ASSERT_TRUE(Submit(drop).status.ok());
    inodes.pop_back();
  }
  EXPECT_FALSE(InfoOf(id).present);
}

TEST_F(LocalClientTest, BytesWrittenAheadAreUsedOrGivenUp) {
  const Bytes data(5000, 's');
  Commit commit;
  commit.chunks = {{Sha256(data), {1, 2, 0, 0}, data},
                   {Sha256("gone"), {1, 2, 0, 1}, std::nullopt}};
  EXPECT_EQ(Submit(commit).status.code(), Code::kNotFound);
  EXPECT_EQ(store_.memory().staged(), 0);
  commit.chunks.pop_back();
  commit.txns = {{"dir", {{Kind::kPresent, "a", {}}}, {}, {}, {}}};
  EXPECT_EQ(Submit(commit).status.code(), Code::kConflict);
  EXPECT_EQ(store_.memory().staged(), 0);
  store_.memory().FailApply(Status::IoError("no"));
  commit.txns.clear();
  EXPECT_EQ(Submit(commit).status.code(), Code::kIoError);
  EXPECT_EQ(store_.memory().staged(), 0);
  store_.memory().FailApply(Status::Ok());
  EXPECT_TRUE(Submit(commit).status.ok());
  EXPECT_EQ(store_.memory().staged(), 0);
  EXPECT_TRUE(InfoOf(Sha256(data)).present);
}

TEST_F(LocalClientTest, WorkComesWhenItIsDueAndUntilItIsDone) {
  Commit commit;
  commit.txns.push_back({"dir", {}, {Put("a", "1")}, {}, {}});
  commit.txns[0].work_puts = {{{-5, 1, "early"}, "e"}, {{2000, 1, "late"}, "l"}};
  ASSERT_TRUE(Submit(commit).status.ok());
  auto due = [&](int64_t now) { return *store_.Await(store_.client()->DueWork(now, 100)); };
  EXPECT_TRUE(due(-6).empty());
  ASSERT_EQ(due(-5).size(), 1u);
  EXPECT_EQ(due(-5)[0].key.id, "early");
  EXPECT_EQ(due(-5)[0].value, "e");
  ASSERT_EQ(due(3000).size(), 2u);
  EXPECT_EQ(store_.Await(store_.client()->DueWork(3000, 1))->size(), 1u);
  store_.Restart();
  ASSERT_EQ(due(3000).size(), 2u);
  Commit done;
  done.txns.push_back({"dir", {}, {}, {}, {{-5, 1, "early"}}});
  ASSERT_TRUE(Submit(done).status.ok());
  ASSERT_EQ(due(3000).size(), 1u);
  done.txns[0].work_erases = {{2000, 1, "late"}};
  ASSERT_TRUE(Submit(done).status.ok());
  EXPECT_TRUE(due(INT64_MAX).empty());
  // Work that is due before what was there when last looked is found too.
  commit.txns[0].work_puts = {{{9000, 1, "far"}, ""}};
  ASSERT_TRUE(Submit(commit).status.ok());
  ASSERT_EQ(due(10'000).size(), 1u);
  commit.txns[0].work_puts = {{{INT64_MIN, 1, "first"}, ""}, {{8999, 1, "near"}, ""}};
  ASSERT_TRUE(Submit(commit).status.ok());
  ASSERT_EQ(due(10'000).size(), 3u);
  EXPECT_EQ(due(10'000)[0].key.id, "first");
  EXPECT_EQ(due(10'000)[1].key.id, "near");
}

TEST_F(LocalClientTest, NoDotAndNoInodeIsUsedTwiceAcrossRestarts) {
  std::set<VersionId> versions;
  std::set<uint64_t> inodes;
  for (int run = 0; run < 3; ++run) {
    for (int i = 0; i < 2000; ++i) {
      const auto ino = store_.Await(store_.client()->AllocateInode());
      ASSERT_TRUE(ino.ok());
      EXPECT_TRUE(inodes.insert(*ino).second);
      EXPECT_EQ(*ino >> 32, 1u);
    }
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(versions.insert(Change("dir", {}, {Put("a", "1")}).versions[0]).second);
    }
    store_.Restart();
  }
}

TEST_F(LocalClientTest, TheStateItemCountsTransactions) {
  for (int i = 0; i < 3; ++i) {
    Change("dir", {}, {Put("a", "1")});
  }
  const Bytes key = replication::PkPrefix("dir") + Bytes(1, replication::kStateCk);
  const auto state = replication::DecodePkState(*store_.memory().Get(key));
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(*state, (replication::PkState{{1, 1}, 3}));
}

TEST_F(LocalClientTest, NothingIsLeftOfAKeyWhoseItemsAreGone) {
  const Bytes key = replication::PkPrefix("dir") + Bytes(1, replication::kStateCk);
  Change("dir", {}, {Put("a", "1"), Put("b", "1")});
  Change("dir", {}, {Erase("a")});
  auto work = [&] {
    const int64_t now = store_.steps().WallNanos() / 1'000'000;
    return store_.Await(store_.client()->DueWork(now, 10))->size();
  };
  store_.steps().Advance(60'000'000);
  EXPECT_EQ(work(), 0u);  // it is the store's own
  EXPECT_TRUE(store_.memory().Get(key).ok());
  Change("dir", {}, {Erase("b")});
  EXPECT_EQ(work(), 0u);
  EXPECT_TRUE(store_.memory().Get(key).ok());  // not so soon
  store_.Restart();
  store_.steps().Advance(60'000'000);
  EXPECT_EQ(work(), 0u);
  EXPECT_EQ(store_.memory().Get(key).status().code(), Code::kNotFound);
  // Nothing at all but the counters is left.
  EXPECT_EQ(store_.memory().Contents().size(), 1u);
}

TEST_F(LocalClientTest, SyncIsAskedForOnlyWhenWanted) {
  Change("dir", {}, {Put("a", "1")});
  const uint64_t syncs = store_.memory().syncs();
  Change("dir", {}, {Put("a", "2")});
  EXPECT_EQ(store_.memory().syncs(), syncs);
  Commit commit;
  commit.txns.push_back({"dir", {}, {Put("a", "3")}, {}, {}});
  commit.sync = true;
  EXPECT_TRUE(Submit(commit).status.ok());
  EXPECT_EQ(store_.memory().syncs(), syncs + 1);
  store_.memory().FailSync(Status::IoError("the disk is gone"));
  EXPECT_EQ(Submit(commit).status.code(), Code::kIoError);
}

TEST_F(LocalClientTest, AFullDiskTakesWhatFreesSpace) {
  Change("dir", {}, {Put("a", Bytes(1000, 'x'))});
  store_.memory().SetCapacity(store_.memory().bytes() + 10);
  EXPECT_EQ(Change("dir", {}, {Put("b", Bytes(1000, 'x'))}).status.code(), Code::kNoSpace);
  Commit commit;
  commit.txns.push_back({"dir", {}, {Erase("a"), Put("times", "now")}, {}, {}});
  commit.may_use_reserve = true;
  EXPECT_TRUE(Submit(commit).status.ok());
  EXPECT_TRUE(Change("dir", {}, {Put("b", Bytes(500, 'x'))}).status.ok());
}

// Coroutines that wait for one partition go on in turn, and none is lost.
TEST_F(LocalClientTest, ConcurrentIncrementsAllCount) {
  Change("dir", {}, {Put("n", "0")});
  int done = 0;
  auto increment = [](client::Client* client, int* finished) -> Task<void> {
    for (int i = 0; i < 10;) {
      auto item = co_await client->Get({"dir", "n"});
      Commit commit;
      commit.txns.push_back({"dir",
                             {{Kind::kVersion, "n", (**item).version}},
                             {Put("n", std::to_string(std::stoi((**item).value()) + 1))},
                             {},
                             {}});
      CommitResult result = co_await client->Submit(std::move(commit));
      i += result.status.ok() ? 1 : 0;
    }
    ++*finished;
  };
  for (int i = 0; i < 8; ++i) {
    store_.steps().Post(env::Priority::kBackground,
                        [&] { increment(store_.client(), &done).Detach(); });
  }
  store_.steps().RunReady();
  EXPECT_EQ(done, 8);
  EXPECT_EQ(Value("dir", "n"), "80");
}

}  // namespace
}  // namespace kvfs::client
