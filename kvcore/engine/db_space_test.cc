// Space: it comes back after deletes, a full disk is refused in time and recovered from, and
// the bound on the directory holds.
#include <gtest/gtest.h>

#include "kvcore/engine/db_test_support.h"
#include "kvcore/engine/file_names.h"

namespace kvfs::engine::testing {
namespace {

constexpr uint64_t kMiB = 1u << 20;

class DbSpaceTest : public ::testing::Test {
 protected:
  void Open() {
    db_.reset();
    auto opened = Db::Open(options_, machine_.env(), kDirectory);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    db_ = std::move(*opened);
  }

  // One chunk, as the layers above write it.
  Status PutChunk(const Bytes& key, uint64_t size) {
    KVFS_RETURN_IF_ERROR(machine_.scheduler->Run(db_->Admit(size)));
    KVFS_ASSIGN_OR_RETURN(const BlobPointer pointer, db_->PutBlob(RandomValue(&machine_, size)));
    WriteBatch batch;
    batch.PutBlob(key, pointer);
    const auto written = db_->Write(batch);
    if (!written.ok()) {
      db_->ForgetBlob(pointer);
    }
    return written.status();
  }

  Status Delete(const Bytes& key) {
    WriteBatch batch;
    const auto pointer = db_->GetBlobPointer(key);
    if (pointer.ok()) {
      batch.DeleteBlob(key, *pointer);
    } else {
      batch.Delete(key);
    }
    return db_->Write(batch).status();
  }

  static Bytes Key(int i) { return "chunk" + std::to_string(100'000 + i); }

  Machine machine_{7};
  Options options_;
  std::unique_ptr<Db> db_;
};

TEST_F(DbSpaceTest, ComesBackAfterDeletingEverything) {
  options_.reserve_bytes = 0;
  options_.blob_file_bytes = 4 * kMiB;
  Open();
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(PutChunk(Key(i), 128 << 10).ok());
    machine_.scheduler->RunUntilIdle();
  }
  ASSERT_GT(machine_.files->UsedBytes(), 25 * kMiB);
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(Delete(Key(i)).ok());
  }
  // Nobody asks for it: a while later it has gone by itself.
  machine_.scheduler->RunFor(90'000'000);
  EXPECT_LT(machine_.files->UsedBytes(), 5 * kMiB);
  EXPECT_TRUE(machine_.scheduler->Run(db_->Verify()).ok());
}

TEST_F(DbSpaceTest, ComesBackAfterDeletingHalfAtRandom) {
  options_.reserve_bytes = 0;
  options_.blob_file_bytes = 4 * kMiB;
  Open();
  uint64_t live = 0;
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(PutChunk(Key(i), 128 << 10).ok());
    machine_.scheduler->RunUntilIdle();
  }
  const uint64_t full = machine_.files->UsedBytes();
  for (int i = 0; i < 400; ++i) {
    if (machine_.OneIn(2)) {
      ASSERT_TRUE(Delete(Key(i)).ok());
    } else {
      live += full / 400;
    }
  }
  machine_.scheduler->RunFor(90'000'000);
  EXPECT_LT(static_cast<double>(machine_.files->UsedBytes()), 1.3 * static_cast<double>(live));
}

TEST_F(DbSpaceTest, ComesBackAfterDeletesAndARestart) {
  options_.reserve_bytes = 0;
  options_.blob_file_bytes = 4 * kMiB;
  Open();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(PutChunk(Key(i), 128 << 10).ok());
  }
  Open();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(Delete(Key(i)).ok());
  }
  Open();
  machine_.scheduler->RunFor(90'000'000);
  EXPECT_LT(machine_.files->UsedBytes(), 3 * kMiB);
}

TEST_F(DbSpaceTest, ASnapshotHoldsItBack) {
  options_.reserve_bytes = 0;
  options_.blob_file_bytes = 4 * kMiB;
  Open();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(PutChunk(Key(i), 128 << 10).ok());
  }
  auto snapshot = db_->GetSnapshot();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Delete(Key(i)).ok());
  }
  machine_.scheduler->RunFor(90'000'000);
  ReadOptions read;
  read.snapshot = snapshot.get();
  Contents contents;
  ASSERT_TRUE(ReadAll(db_.get(), read, &contents));
  EXPECT_EQ(contents.size(), 100u);
  snapshot.reset();
  machine_.scheduler->RunFor(90'000'000);
  EXPECT_LT(machine_.files->UsedBytes(), 3 * kMiB);
}

// Values that are overwritten, not deleted, and never through a blob's pointer.
TEST_F(DbSpaceTest, OverwritingKeepsItWithinBounds) {
  options_.reserve_bytes = 0;
  options_.memtable_bytes = 256 << 10;
  options_.table_bytes = 256 << 10;
  options_.level1_bytes = kMiB;
  options_.blob_threshold_bytes = 1000;
  options_.blob_file_bytes = kMiB;
  options_.delete_bytes_per_second = 0;  // time stands still here
  Open();
  uint64_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    WriteBatch batch;
    batch.Put(Key(i % 200), RandomValue(&machine_, 4000));
    ASSERT_TRUE(machine_.scheduler->Run(db_->Admit(4000)).ok());
    ASSERT_TRUE(db_->Write(batch).ok());
    machine_.scheduler->RunUntilIdle();
    most = std::max(most, machine_.files->UsedBytes());
  }
  EXPECT_LT(most, 12 * kMiB);
}

TEST_F(DbSpaceTest, AFullDiskIsRefusedInTimeAndRecoveredFrom) {
  options_.reserve_bytes = 4 * kMiB;
  options_.memtable_bytes = kMiB;
  options_.blob_file_bytes = 2 * kMiB;
  machine_.files->SetCapacity(32 * kMiB);
  Open();
  int chunks = 0;
  Status full;
  while (chunks < 2000 && (full = PutChunk(Key(chunks), 64 << 10)).ok()) {
    ++chunks;
    machine_.scheduler->RunUntilIdle();
  }
  ASSERT_EQ(full.code(), Code::kNoSpace) << full.ToString();
  EXPECT_GT(chunks, 100);
  EXPECT_LT(machine_.files->UsedBytes(), 29 * kMiB);
  EXPECT_TRUE(db_->GetStats().background_error.ok());
  const auto space = db_->GetSpace();
  ASSERT_TRUE(space.ok());
  EXPECT_LT(space->available_bytes, kMiB);
  // Reads and deletes go on.
  EXPECT_TRUE(db_->Get(Key(0)).ok());
  for (int i = 0; i < chunks / 2; ++i) {
    const Status deleted = Delete(Key(i));
    ASSERT_TRUE(deleted.ok()) << deleted.ToString();
  }
  EXPECT_TRUE(machine_.scheduler->Run(db_->Sync(db_->LastPosition())).ok());
  machine_.scheduler->RunFor(90'000'000);
  EXPECT_LT(machine_.files->UsedBytes(), 20 * kMiB);
  // And so do writes, without a restart.
  for (int i = 0; i < chunks / 4; ++i) {
    const Status written = PutChunk(Key(10'000 + i), 64 << 10);
    ASSERT_TRUE(written.ok()) << i << ": " << written.ToString();
    machine_.scheduler->RunUntilIdle();
  }
  EXPECT_TRUE(machine_.scheduler->Run(db_->Verify()).ok());
}

// Somebody else fills the disk to the last byte, reserve and all.
TEST_F(DbSpaceTest, WhatACrashHasLeftMakesRoomForRecovery) {
  options_.reserve_bytes = 0;
  Open();
  for (int i = 0; i < 500; ++i) {
    WriteBatch batch;
    batch.Put(Key(i), RandomValue(&machine_, 4096));
    ASSERT_TRUE(db_->Write(batch).ok());
  }
  db_.reset();
  // As of a compaction that was under way when the disk became full.
  const std::string leftover = MakeFileName(FileKind::kTable, 900);
  ASSERT_TRUE(
      machine_.files->WriteFileAtomically(kDirectory, leftover, Bytes(80 * kMiB, 'x')).ok());
  machine_.files->SetCapacity(machine_.files->UsedBytes() + kMiB / 4);
  Open();
  EXPECT_TRUE(db_->Get(Key(499)).ok());
  EXPECT_FALSE(*machine_.files->Exists(std::string(kDirectory) + "/" + leftover));
}

TEST_F(DbSpaceTest, RecoversByItselfWhenSpaceReturns) {
  options_.reserve_bytes = 0;
  options_.memtable_bytes = 64 << 10;
  options_.table_bytes = 32 << 10;
  options_.level1_bytes = 128 << 10;
  options_.blob_file_bytes = 256 << 10;
  Open();
  Contents model;
  int written = 0;
  const auto write = [&](int count) {
    int done = 0;
    for (int i = 0; i < count; ++i) {
      WriteBatch batch;
      const Bytes key = Key(static_cast<int>(machine_.Below(300)));
      Bytes value = RandomValue(&machine_, 2000);
      batch.Put(key, value);
      const Status admitted = machine_.scheduler->Run(db_->Admit(2000));
      if (!admitted.ok()) {
        EXPECT_EQ(admitted.code(), Code::kNoSpace) << admitted.ToString();
        return done;
      }
      const auto position = db_->Write(batch);
      if (!position.ok()) {
        EXPECT_EQ(position.error().code(), Code::kNoSpace) << position.error().ToString();
        return done;
      }
      model[key] = std::move(value);
      ++done;
      ++written;
      machine_.scheduler->RunUntilIdle();
    }
    return done;
  };
  ASSERT_EQ(write(200), 200);
  for (int round = 0; round < 6; ++round) {
    machine_.files->SetCapacity(machine_.files->UsedBytes() + machine_.Below(300'000));
    for (int i = 0; i < 20; ++i) {
      write(500);
      machine_.scheduler->RunFor(600'000);
    }
    machine_.files->SetCapacity(UINT64_MAX);
    machine_.scheduler->RunFor(3'000'000);
    ASSERT_EQ(write(300), 300) << "round " << round;
    Contents contents;
    ASSERT_TRUE(ReadAll(db_.get(), {}, &contents));
    ASSERT_TRUE(Same(model, contents)) << "round " << round;
    ASSERT_TRUE(db_->GetStats().background_error.ok())
        << db_->GetStats().background_error.ToString();
  }
  Open();
  Contents contents;
  ASSERT_TRUE(ReadAll(db_.get(), {}, &contents));
  ASSERT_TRUE(Same(model, contents));
  EXPECT_TRUE(machine_.scheduler->Run(db_->Verify()).ok());
}

TEST_F(DbSpaceTest, TheCapacityHolds) {
  options_.reserve_bytes = 64 * kMiB;
  options_.capacity_bytes = 24 * kMiB;
  options_.memtable_bytes = kMiB;
  options_.blob_file_bytes = kMiB;
  Open();
  int chunks = 0;
  for (int round = 0; round < 5; ++round) {
    Status full;
    const int first = chunks;
    while ((full = PutChunk(Key(chunks), 64 << 10)).ok()) {
      ++chunks;
      machine_.scheduler->RunUntilIdle();
      ASSERT_LE(machine_.files->UsedBytes(), 24 * kMiB);
    }
    ASSERT_EQ(full.code(), Code::kNoSpace) << full.ToString();
    ASSERT_GT(chunks, first + 100) << "round " << round;
    for (int i = first; i < chunks; ++i) {
      ASSERT_TRUE(Delete(Key(i)).ok());
      ASSERT_LE(machine_.files->UsedBytes(), 24 * kMiB);
    }
    machine_.scheduler->RunFor(90'000'000);
  }
}

}  // namespace
}  // namespace kvfs::engine::testing
