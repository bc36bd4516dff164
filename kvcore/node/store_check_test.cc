#include "kvcore/node/store_check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kvcore/replication/keys.h"
#include "kvcore/versioning/version.h"
#include "tests/support/local_fs_store.h"

namespace kvfs::node {
namespace {

class StoreCheckTest : public ::testing::Test {
 protected:
  StoreCheckTest() {
    identity_.storage_epochs = {store_.client()->info().storage_epoch};
    client::Commit commit;
    commit.txns.push_back(
        {"dir", {}, {{client::Write::Kind::kPut, "a", "1"}}, {{{5, 1, "job"}, "todo"}}, {}});
    commit.chunks = {{Sha256(data_), {1, 2, 0, 0}, data_}, {Sha256(data_), {1, 2, 0, 1}, data_}};
    EXPECT_TRUE(store_.Await(store_.client()->Submit(commit)).status.ok());
  }
  void Set(Bytes key, Bytes value) {
    std::vector<replication::StoreWrite> writes(1);
    writes[0].key = std::move(key);
    writes[0].value = std::move(value);
    ASSERT_TRUE(store_.memory().Apply(std::move(writes), {}).ok());
  }
  void Delete(Bytes key) {
    std::vector<replication::StoreWrite> writes(1);
    writes[0].kind = replication::StoreWrite::Kind::kDelete;
    writes[0].key = std::move(key);
    ASSERT_TRUE(store_.memory().Apply(std::move(writes), {}).ok());
  }
  StoreReport Check(bool repair = false) {
    return *CheckStore(identity_, {.repair = repair}, &store_.memory());
  }
  std::vector<std::string> Kinds(bool repair = false) {
    std::vector<std::string> kinds;
    for (const StoreProblem& problem : Check(repair).problems) {
      kinds.push_back(problem.kind);
    }
    return kinds;
  }
  using Strings = std::vector<std::string>;

  const Bytes data_ = Bytes(5000, 'x');
  const client::ChunkId id_ = Sha256(data_);
  testing::LocalFsStore store_;
  Identity identity_;
};

TEST_F(StoreCheckTest, AGoodStoreHasNoProblems) {
  const StoreReport report = Check();
  EXPECT_EQ(report.problem_count, 0u);
  EXPECT_EQ(report.items, 1u);
  EXPECT_EQ(report.work_items, 1u);
  EXPECT_EQ(report.chunks, 1u);
  EXPECT_EQ(report.chunk_bytes, data_.size());
  EXPECT_EQ(report.references, 2u);
}

TEST_F(StoreCheckTest, DamagedChunk) {
  Set(replication::ChunkDataKey(id_), "other bytes");
  EXPECT_EQ(Kinds(), Strings{"damaged-chunk"});
}

TEST_F(StoreCheckTest, EveryReferenceToAMissingChunkIsNamed) {
  Delete(replication::ChunkDataKey(id_));
  EXPECT_EQ(Kinds(), (Strings{"missing-chunk", "missing-chunk"}));
}

TEST_F(StoreCheckTest, AChunkNobodyNeedsIsFoundAndRemoved) {
  Delete(replication::ChunkRefKey(id_, {1, 2, 0, 0}));
  Delete(replication::ChunkRefKey(id_, {1, 2, 0, 1}));
  EXPECT_EQ(Kinds(), Strings{"unreferenced-chunk"});
  const StoreReport repaired = Check(true);
  ASSERT_EQ(repaired.problems.size(), 1u);
  EXPECT_TRUE(repaired.problems[0].repaired);
  EXPECT_EQ(Check().problem_count, 0u);
  EXPECT_EQ(Check().chunks, 0u);
}

TEST_F(StoreCheckTest, AStateWithoutItemsIsFoundAndRemoved) {
  Delete(replication::PkPrefix("dir") + "a");
  EXPECT_EQ(Kinds(), Strings{"leftover-state"});
  EXPECT_EQ(Kinds(true), Strings{"leftover-state"});
  EXPECT_EQ(Kinds(), Strings{});
}

TEST_F(StoreCheckTest, WhatCannotBeDecodedIsNamed) {
  Set(replication::PkPrefix("dir") + "a", "no version");
  Set(Bytes("\x01xx", 3), "");
  Set(Bytes("\x00what", 5), "");
  Set(replication::PkPrefix("dir") + Bytes(1, replication::kStateCk), "\xff");
  Strings kinds = Kinds();
  std::sort(kinds.begin(), kinds.end());
  EXPECT_EQ(kinds, (Strings{"bad-item", "bad-key", "bad-state", "unknown-note"}));
}

TEST_F(StoreCheckTest, ADotThatWasNeverReservedIsNamed) {
  versioning::VersionedValue value;
  value.siblings.push_back({{identity_.storage_epochs[0], uint64_t{1} << 40}, 1, false, "x"});
  value.context.push_back(value.siblings[0].dot);
  Bytes encoded;
  Encode(value, &encoded);
  Set(replication::PkPrefix("dir") + "b", encoded);
  EXPECT_EQ(Kinds(), Strings{"unreserved-dot"});
  identity_.storage_epochs = {17};
  const Strings kinds = Kinds();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "unknown-epoch"), 5);
}

}  // namespace
}  // namespace kvfs::node
