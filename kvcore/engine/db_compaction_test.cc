// Compactions of one store side by side, under writes and reads.
#include <gtest/gtest.h>

#include "kvcore/engine/db_test_support.h"

namespace kvfs::engine::testing {
namespace {

class DbCompactionTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(DbCompactionTest, RunUpToTheLimitAndGiveTheSameAnswers) {
  Machine machine(3);
  Options options;
  options.compactions = GetParam();
  options.memtable_bytes = 16 << 10;
  options.table_bytes = 4 << 10;
  options.level0_tables = 2;
  options.level1_bytes = 16 << 10;
  options.blob_threshold_bytes = 1000;
  options.blob_file_bytes = 64 << 10;
  options.reserve_bytes = 0;
  auto opened = Db::Open(options, machine.env(), kDirectory);
  ASSERT_TRUE(opened.ok());
  const auto db = std::move(*opened);
  Contents model;
  uint64_t most = 0;
  for (int i = 0; i < 6000; ++i) {
    WriteBatch batch;
    const Bytes key = "key" + std::to_string(machine.Below(2000));
    if (machine.OneIn(5)) {
      batch.Delete(key);
      model.erase(key);
    } else {
      Bytes value = RandomValue(&machine, machine.OneIn(20) ? 2000 : 100);
      batch.Put(key, value);
      model[key] = std::move(value);
    }
    ASSERT_TRUE(machine.scheduler->Run(db->Admit(batch.ByteSize())).ok());
    ASSERT_TRUE(db->Write(batch).ok());
    machine.RunSome(machine.Below(4));
    most = std::max(most, db->GetStats().running_compactions);
    if (i % 500 == 0) {
      Contents contents;
      ASSERT_TRUE(ReadAll(db.get(), {}, &contents));
      ASSERT_TRUE(Same(model, contents));
    }
  }
  EXPECT_EQ(most, GetParam());
  const Stats stats = db->GetStats();
  EXPECT_GT(stats.compactions, 20u);
  EXPECT_GT(stats.blob_rewrites, 0u);
  ASSERT_TRUE(machine.scheduler->Run(db->CompactAll()).ok());
  EXPECT_EQ(db->GetStats().running_compactions, 0u);
  Contents contents;
  ASSERT_TRUE(ReadAll(db.get(), {}, &contents));
  EXPECT_TRUE(Same(model, contents));
  EXPECT_TRUE(machine.scheduler->Run(db->Verify()).ok());
}

INSTANTIATE_TEST_SUITE_P(Compactions, DbCompactionTest, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace kvfs::engine::testing
