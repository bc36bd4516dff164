// Where large values go: into blob files, or, while somebody syncs all the time, into the log.
#include "kvcore/node/engine_local_store.h"

#include <gtest/gtest.h>

#include "kvcore/env/sim/sim_world.h"

namespace kvfs::node {
namespace {

using replication::StoreWrite;

class EngineLocalStoreTest : public ::testing::Test {
 protected:
  EngineLocalStoreTest() {
    auto opened = engine::Db::Open({}, world_.env(), "/data");
    EXPECT_TRUE(opened.ok());
    db_ = std::move(*opened);
    store_ = std::make_unique<EngineLocalStore>(db_.get());
  }

  void Put(const Bytes& key, const Bytes& value) {
    const auto staged = store_->StageLarge(value);
    ASSERT_TRUE(staged.ok());
    StoreWrite write;
    write.kind = StoreWrite::Kind::kPutStaged;
    write.key = key;
    write.value = *staged;
    std::vector<StoreWrite> writes{write};
    ASSERT_TRUE(store_->Apply(std::move(writes), {}).ok());
    EXPECT_EQ(*store_->Get(key), value);
  }
  bool IsBlob(const Bytes& key) { return db_->GetBlobPointer(key).ok(); }
  // A small write, synced; the fdatasyncs it took.
  uint64_t PutSynced(const Bytes& key) {
    const uint64_t before = db_->GetStats().syncs;
    StoreWrite write;
    write.key = key;
    std::vector<StoreWrite> writes{write};
    const auto position = store_->Apply(std::move(writes), {.will_sync = true});
    EXPECT_TRUE(position.ok() && world_.Run(store_->Sync(*position)).ok());
    return db_->GetStats().syncs - before;
  }

  env::sim::SimWorld world_;
  std::unique_ptr<engine::Db> db_;
  std::unique_ptr<EngineLocalStore> store_;
};

TEST_F(EngineLocalStoreTest, SmallOnesGoIntoTheLogWhileSomebodySyncsAllTheTime) {
  const Bytes small(30'000, 's');
  const Bytes large(100'000, 'l');
  Put("a", small);
  EXPECT_TRUE(IsBlob("a"));
  EXPECT_EQ(PutSynced("1"), 2u);  // of the blob file and of the log
  EXPECT_EQ(PutSynced("2"), 1u);
  Put("b", small);
  EXPECT_FALSE(IsBlob("b"));
  EXPECT_EQ(PutSynced("3"), 1u);
  Put("c", large);
  EXPECT_TRUE(IsBlob("c"));
  EXPECT_EQ(PutSynced("4"), 2u);
  // Nobody has synced for a while.
  world_.RunFor(1'000'000);
  Put("d", small);
  EXPECT_TRUE(IsBlob("d"));
}

TEST_F(EngineLocalStoreTest, WhatIsStagedAndNotPutIsGivenBack) {
  const Bytes value(30'000, 's');
  store_->Unstage(*store_->StageLarge(value));
  EXPECT_EQ(db_->GetStats().needed_blob_bytes, 0u);
  PutSynced("1");
  PutSynced("2");
  store_->Unstage(*store_->StageLarge(value));
  Put("a", value);
  EXPECT_FALSE(IsBlob("a"));
}

}  // namespace
}  // namespace kvfs::node
