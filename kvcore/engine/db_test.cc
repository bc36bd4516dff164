#include "kvcore/engine/db.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "kvcore/engine/disk_store_test_support.h"

namespace kvfs::engine::testing {
namespace {

class DbTest : public DiskStoreTest {
 protected:
  void Put(ByteView key, ByteView value) {
    WriteBatch batch;
    batch.Put(key, value);
    const auto written = db_->Write(batch);
    ASSERT_TRUE(written.ok()) << written.error().ToString();
  }
  Bytes Get(ByteView key) {
    auto value = db_->Get(key);
    if (value.ok()) {
      return *value;
    }
    return value.error().code() == Code::kNotFound ? "-" : value.error().ToString();
  }
  uint64_t BytesOnDisk() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      std::error_code error;
      const auto size = entry.file_size(error);
      bytes += error ? 0 : size;
    }
    return bytes;
  }
};

TEST_F(DbTest, ReadsWhatWasWritten) {
  Open();
  Put("a", "1");
  Put("b", "2");
  WriteBatch batch;
  batch.Put("c", "3");
  batch.Delete("a");
  const auto position = db_->Write(batch);
  ASSERT_TRUE(position.ok());
  EXPECT_TRUE(BlockingWait(db_->Sync(*position)).ok());
  EXPECT_EQ(Get("a"), "-");
  EXPECT_EQ(Get("b"), "2");
  EXPECT_EQ(Get("c"), "3");
  Open();
  EXPECT_EQ(Get("a"), "-");
  EXPECT_EQ(Get("b"), "2");
  EXPECT_EQ(Get("c"), "3");
}

TEST_F(DbTest, FlushesAndCompactsWhileItIsWritten) {
  options_.memtable_bytes = 16 << 10;
  options_.table_bytes = 8 << 10;
  options_.level1_bytes = 32 << 10;
  Open();
  std::map<Bytes, Bytes> model;
  for (int i = 0; i < 20'000; ++i) {
    const Bytes key = "key" + std::to_string(i * 7919 % 3000);
    const Bytes value = "value" + std::to_string(i);
    ASSERT_TRUE(BlockingWait(db_->Admit(100)).ok());
    Put(key, value);
    model[key] = value;
  }
  for (int round = 0; round < 3; ++round) {
    for (const auto& [key, value] : model) {
      ASSERT_EQ(Get(key), value) << key << " in round " << round;
    }
    auto it = db_->NewIterator({});
    auto expected = model.begin();
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++expected) {
      ASSERT_NE(expected, model.end());
      ASSERT_EQ(it->key(), expected->first);
      ASSERT_EQ(it->value(), expected->second);
    }
    EXPECT_TRUE(it->status().ok());
    EXPECT_EQ(expected, model.end());
    it.reset();
    if (round == 0) {
      Open();
    } else {
      const Status status = BlockingWait(db_->CompactAll());
      ASSERT_TRUE(status.ok()) << status.ToString();
      EXPECT_EQ(db_->GetStats().levels[0].tables, 0u);
    }
  }
}

TEST_F(DbTest, LargeValuesGoToBlobFilesAndTheirSpaceComesBack) {
  options_.blob_file_bytes = 1 << 20;
  options_.memtable_bytes = 1 << 20;
  Open();
  std::map<Bytes, BlobPointer> pointers;
  const auto value_of = [](int i) {
    Bytes value(100'000, '\0');
    uint64_t x = static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u + 1;
    for (char& c : value) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
      c = static_cast<char>(x);
    }
    return value;
  };
  for (int i = 0; i < 60; ++i) {
    const Bytes key = "chunk" + std::to_string(1000 + i);
    const auto pointer = db_->PutBlob(value_of(i));
    ASSERT_TRUE(pointer.ok()) << pointer.error().ToString();
    WriteBatch batch;
    batch.PutBlob(key, *pointer);
    pointers[key] = *pointer;
    ASSERT_TRUE(db_->Write(batch).ok());
  }
  ASSERT_TRUE(BlockingWait(db_->Sync(db_->LastPosition())).ok());
  Open();
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(Get("chunk" + std::to_string(1000 + i)), value_of(i)) << i;
  }
  EXPECT_EQ(*db_->GetRange("chunk1003", 70'000, 100), value_of(3).substr(70'000, 100));
  EXPECT_GT(BytesOnDisk(), 6'000'000u);
  for (int i = 0; i < 60; i += 2) {
    const Bytes key = "chunk" + std::to_string(1000 + i);
    WriteBatch batch;
    batch.DeleteBlob(key, pointers[key]);
    ASSERT_TRUE(db_->Write(batch).ok());
  }
  ASSERT_TRUE(BlockingWait(db_->CompactAll()).ok());
  EXPECT_LT(BytesOnDisk(), 4'000'000u);
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(Get("chunk" + std::to_string(1000 + i)), i % 2 == 0 ? "-" : value_of(i)) << i;
  }
  Open();
  for (int i = 1; i < 60; i += 2) {
    const Bytes key = "chunk" + std::to_string(1000 + i);
    ASSERT_EQ(Get(key), value_of(i)) << i;
    WriteBatch batch;
    batch.DeleteBlob(key, pointers[key]);
    ASSERT_TRUE(db_->Write(batch).ok());
  }
  ASSERT_TRUE(BlockingWait(db_->CompactAll()).ok());
  db_.reset();
  EXPECT_LT(BytesOnDisk(), 100'000u);
}

}  // namespace
}  // namespace kvfs::engine::testing
