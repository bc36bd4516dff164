// What a walk over a range touches after most of it was deleted: about as much as if it had never
// been there, once the store has had a while to itself. Counted in blocks, not in time.
#include <gtest/gtest.h>

#include <cstdio>

#include "kvcore/engine/db_test_support.h"

namespace kvfs::engine::testing {
namespace {

class DbScanTest : public ::testing::Test {
 protected:
  static constexpr int kFiles = 20'000;
  static constexpr int kKept = 100;

  DbScanTest() {
    options_.reserve_bytes = 0;
    options_.memtable_bytes = 1u << 20;
    options_.table_bytes = 512u << 10;
    options_.level1_bytes = 1u << 20;
  }

  std::unique_ptr<Db> Open(Machine* machine) {
    auto opened = Db::Open(options_, machine->env(), kDirectory);
    EXPECT_TRUE(opened.ok());
    return std::move(*opened);
  }
  static Bytes Key(char directory, int file) {
    char text[32];
    std::snprintf(text, sizeof(text), "%c/%08d", directory, file);
    return text;
  }
  template <typename Change>
  void Write(Machine* machine, Db* db, const Change& change) {
    WriteBatch batch;
    change(&batch);
    ASSERT_TRUE(machine->scheduler->Run(db->Admit(batch.ByteSize())).ok());
    ASSERT_TRUE(db->Write(batch).ok());
    machine->scheduler->RunUntilIdle();
  }
  void Fill(Machine* machine, Db* db, char directory, int from, int to) {
    for (int i = from; i < to; ++i) {
      Write(machine, db,
            [&](WriteBatch* batch) { batch->Put(Key(directory, i), RandomValue(machine, 100)); });
    }
  }
  // Blocks looked at by a walk over the directory, which holds so many files.
  uint64_t Blocks(Db* db, char directory, int files) {
    const Stats before = db->GetStats();
    ReadOptions read;
    read.lower_bound = Bytes(1, directory);
    read.upper_bound = Bytes(1, static_cast<char>(directory + 1));
    const auto it = db->NewIterator(read);
    int found = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      ++found;
    }
    EXPECT_TRUE(it->status().ok());
    EXPECT_EQ(found, files);
    const Stats after = db->GetStats();
    return after.cache_hits + after.cache_misses - before.cache_hits - before.cache_misses;
  }

  Options options_;
};

TEST_F(DbScanTest, ADirectoryAfterDeletingMostOfItIsLikeAFreshOne) {
  Machine machine(1);
  const auto db = Open(&machine);
  for (const char directory : {'a', 'b', 'c', 'd', 'e'}) {
    Fill(&machine, db.get(), directory, 0, kFiles);
  }
  const uint64_t full = Blocks(db.get(), 'c', kFiles);
  for (int i = kKept; i < kFiles; ++i) {
    Write(&machine, db.get(), [&](WriteBatch* batch) { batch->Delete(Key('c', i)); });
    if (i % 50 == 0) {  // amid other work, so that the deletes are few in each table
      Fill(&machine, db.get(), 'a', i, i + 50);
      Fill(&machine, db.get(), 'e', i, i + 50);
    }
  }
  machine.scheduler->RunFor(90'000'000);
  const uint64_t emptied = Blocks(db.get(), 'c', kKept);

  Machine fresh_machine(1);
  const auto fresh = Open(&fresh_machine);
  for (const char directory : {'a', 'b', 'd', 'e'}) {
    Fill(&fresh_machine, fresh.get(), directory, 0, kFiles);
  }
  Fill(&fresh_machine, fresh.get(), 'c', 0, kKept);
  fresh_machine.scheduler->RunFor(90'000'000);
  const uint64_t of_fresh = Blocks(fresh.get(), 'c', kKept);

  RecordProperty("full", static_cast<int>(full));
  EXPECT_GT(full, 20 * of_fresh);
  EXPECT_LT(emptied, 2 * of_fresh) << "when full: " << full;
  ASSERT_TRUE(machine.scheduler->Run(db->Verify()).ok());
}

}  // namespace
}  // namespace kvfs::engine::testing
