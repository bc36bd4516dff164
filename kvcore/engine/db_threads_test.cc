// Threads: writers, readers, syncs and background work at once, on the real disk and a real
// pool of threads; for the thread sanitizer above all.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "kvcore/engine/db.h"
#include "kvcore/engine/disk_store_test_support.h"

namespace kvfs::engine::testing {
namespace {

using DbThreadsTest = DiskStoreTest;

// The value of generation g of a key; readers can tell a whole one from anything else.
Bytes ValueOf(int writer, int key, int generation) {
  Bytes value =
      std::to_string(writer) + "." + std::to_string(key) + "." + std::to_string(generation) + ".";
  const size_t size = generation % 7 == 0 ? 9000 : 50;
  while (value.size() < size) {
    value += value;
  }
  return value;
}

TEST_F(DbThreadsTest, WritersReadersAndBackgroundWork) {
  constexpr int kWriters = 3;
  constexpr int kKeys = 40;
  constexpr int kGenerations = 30;
  options_.memtable_bytes = 64 << 10;
  options_.table_bytes = 16 << 10;
  options_.level1_bytes = 64 << 10;
  options_.level0_tables = 2;
  options_.blob_threshold_bytes = 4000;
  options_.blob_file_bytes = 128 << 10;
  options_.block_cache_bytes = 256 << 10;
  Open();
  // The newest generation whose write is known to be done, per writer and key.
  std::vector<std::atomic<int>> done(size_t{kWriters} * kKeys);
  for (auto& generation : done) {
    generation = -1;
  }
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  const auto key_of = [](int writer, int key) {
    return "w" + std::to_string(writer) + "k" + std::to_string(key);
  };
  const auto write = [&](int writer) {
    for (int generation = 0; generation < kGenerations; ++generation) {
      for (int key = 0; key < kKeys; ++key) {
        if (!BlockingWait(db_->Admit(100)).ok()) {
          ++failures;
        }
        WriteBatch batch;
        const Bytes value = ValueOf(writer, key, generation);
        if (value.size() > 1000 && key % 2 == 0) {
          const auto pointer = db_->PutBlob(value);
          if (!pointer.ok()) {
            ++failures;
            continue;
          }
          batch.PutBlob(key_of(writer, key), *pointer);
        } else {
          batch.Put(key_of(writer, key), value);
        }
        const auto position = db_->Write(batch);
        if (!position.ok()) {
          ++failures;
          continue;
        }
        done[static_cast<size_t>(writer) * kKeys + static_cast<size_t>(key)] = generation;
        if (key % 16 == 0 && !BlockingWait(db_->Sync(*position)).ok()) {
          ++failures;
        }
      }
    }
  };
  const auto read = [&] {
    uint64_t x = 1;
    while (!stop) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      const int writer = static_cast<int>((x >> 33) % kWriters);
      const int key = static_cast<int>((x >> 40) % kKeys);
      const int least = done[static_cast<size_t>(writer) * kKeys + static_cast<size_t>(key)];
      const auto value = db_->Get(key_of(writer, key));
      if (!value.ok()) {
        failures += value.error().code() != Code::kNotFound || least >= 0 ? 1 : 0;
        continue;
      }
      const size_t dot = value->find('.', value->find('.') + 1);
      const int generation = std::stoi(value->substr(dot + 1));
      if (generation < least || *value != ValueOf(writer, key, generation)) {
        ++failures;
      }
    }
  };
  const auto iterate = [&] {
    while (!stop) {
      const auto snapshot = db_->GetSnapshot();
      ReadOptions options;
      options.snapshot = snapshot.get();
      std::vector<Bytes> forward;
      const auto it = db_->NewIterator(options);
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        forward.push_back(Bytes(it->key()) + "=" + Bytes(it->value()));
      }
      std::vector<Bytes> backward;
      const auto back = db_->NewIterator(options);
      for (back->SeekToLast(); back->Valid(); back->Prev()) {
        backward.push_back(Bytes(back->key()) + "=" + Bytes(back->value()));
      }
      std::reverse(backward.begin(), backward.end());
      if (!it->status().ok() || !back->status().ok() || forward != backward) {
        ++failures;
      }
    }
  };
  std::vector<std::thread> readers;
  readers.emplace_back(read);
  readers.emplace_back(iterate);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back(write, writer);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(BlockingWait(db_->CompactAll()).ok());
    const Status copied = BlockingWait(db_->Checkpoint(temp_ / ("copy" + std::to_string(i))));
    EXPECT_TRUE(copied.ok()) << copied.ToString();
    (void)db_->GetStats();
  }
  for (std::thread& thread : writers) {
    thread.join();
  }
  stop = true;
  for (std::thread& thread : readers) {
    thread.join();
  }
  EXPECT_EQ(failures, 0);
  EXPECT_TRUE(db_->GetStats().background_error.ok());
  for (int round = 0; round < 2; ++round) {
    for (int writer = 0; writer < kWriters; ++writer) {
      for (int key = 0; key < kKeys; ++key) {
        const auto value = db_->Get(key_of(writer, key));
        ASSERT_TRUE(value.ok()) << value.error().ToString();
        ASSERT_EQ(*value, ValueOf(writer, key, kGenerations - 1));
      }
    }
    const Status verified = BlockingWait(db_->Verify());
    ASSERT_TRUE(verified.ok()) << verified.ToString();
    Open();
  }
}

// One fdatasync serves all that wait, and a write without new blobs costs just one.
TEST_F(DbThreadsTest, SyncsAreShared) {
  options_.background_sync_micros = 0;
  Open();
  for (int i = 0; i < 50; ++i) {
    WriteBatch batch;
    batch.Put("key" + std::to_string(i), "value");
    const auto position = db_->Write(batch);
    ASSERT_TRUE(position.ok());
    ASSERT_TRUE(BlockingWait(db_->Sync(*position)).ok());
    ASSERT_TRUE(BlockingWait(db_->Sync(*position)).ok());  // nothing left to do
  }
  EXPECT_EQ(db_->GetStats().syncs, 50u);
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < kEach; ++i) {
        WriteBatch batch;
        batch.Put("t" + std::to_string(thread) + "." + std::to_string(i), "value");
        const auto position = db_->Write(batch);
        EXPECT_TRUE(position.ok() && BlockingWait(db_->Sync(*position)).ok());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_LE(db_->GetStats().syncs, 50u + kThreads * kEach);
}

}  // namespace
}  // namespace kvfs::engine::testing
