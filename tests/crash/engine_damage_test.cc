// Flips bits all over the files of a store. Whatever is flipped: the store says so, naming the
// file, or gives right answers; it never gives a wrong one, and never crashes. In tables, blob
// files and the manifest every flip is found, at the latest by Verify.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "kvcore/engine/db.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/log_format.h"
#include "kvcore/env/sim/sim_world.h"

namespace kvfs::engine {
namespace {

using env::sim::SimFileSystem;
using env::sim::SimWorld;

constexpr char kDirectory[] = "/store";
using Contents = std::map<Bytes, Bytes>;

Options SmallOptions() {
  Options options;
  options.memtable_bytes = 16u << 10;
  options.block_cache_bytes = 1u << 20;
  options.block_bytes = 512;
  options.table_bytes = 8u << 10;
  options.level1_bytes = 16u << 10;
  options.blob_threshold_bytes = 1000;
  options.blob_file_bytes = 64u << 10;
  options.reserve_bytes = 0;
  return options;
}

class EngineDamage : public ::testing::Test {
 protected:
  EngineDamage() { Build(); }

  Bytes Value(size_t size) {
    Bytes value(size, '\0');
    for (char& c : value) {
      c = static_cast<char>('a' + env::sim::Uniform(world_.random(), 6));
    }
    return value;
  }

  void Put(Db* db, const Bytes& key, size_t size) {
    const Bytes value = Value(size);
    WriteBatch batch;
    if (size >= 1000) {
      auto pointer = db->PutBlob(value);
      ASSERT_TRUE(pointer.ok());
      batch.PutBlob(key, *pointer);
    } else {
      batch.Put(key, value);
    }
    Write(db, batch);
    contents_[key] = value;
  }

  void Write(Db* db, const WriteBatch& batch) {
    ASSERT_TRUE(world_.Run(db->Admit(batch.ByteSize())).ok());
    auto position = db->Write(batch);
    ASSERT_TRUE(position.ok()) << position.error().ToString();
    last_ = *position;
  }

  // Tables on several levels, blob files finished and growing, a log with writes in it.
  void Build() {
    auto db = std::move(*Db::Open(SmallOptions(), world_.env(), kDirectory));
    for (int i = 0; i < 400; ++i) {
      Put(db.get(), "key" + std::to_string(i), i % 20 == 0 ? 5000 : 100);
    }
    ASSERT_TRUE(world_.Run(db->CompactAll()).ok());
    for (int i = 100; i < 250; ++i) {
      Put(db.get(), "key" + std::to_string(i), i % 20 == 0 ? 3000 : 50);
    }
    for (int i = 0; i < 400; i += 7) {
      WriteBatch batch;
      batch.Delete("key" + std::to_string(i));
      Write(db.get(), batch);
      contents_.erase("key" + std::to_string(i));
    }
    ASSERT_TRUE(world_.Run(db->Sync(last_)).ok());
    WriteBatch batch;
    batch.Put("carries", "the promise that what precedes it is durable");
    Write(db.get(), batch);
    contents_["carries"] = "the promise that what precedes it is durable";
    // A death of the process at this moment.
    golden_ = world_.files().Clone();
    golden_->Crash(world_.random(), env::sim::CrashMode::kProcessDeath);
  }

  struct Outcome {
    bool detected = false;
    Status error;            // the first
    bool cut_short = false;  // opened for reading only, and said that the log is damaged
    Contents read;           // through gets of every key
    bool wrong = false;      // an iterator showed what a get does not
  };

  // Opens the damaged store and reads all of it, in every way.
  Outcome Examine(std::unique_ptr<SimFileSystem> files, bool read_only) {
    SimWorld world({.seed = 7});
    world.machine(0).SetFiles(std::move(files));
    Outcome outcome;
    const auto note = [&outcome](const Status& status) {
      if (!status.ok() && !outcome.detected) {
        outcome.detected = true;
        outcome.error = status;
      }
    };
    Options options = SmallOptions();
    options.read_only = read_only;
    auto opened = Db::Open(options, world.env(), kDirectory);
    if (!opened.ok()) {
      note(opened.error());
      return outcome;
    }
    auto db = std::move(*opened);
    note(db->GetStats().background_error);
    outcome.cut_short = outcome.detected;
    for (const auto& [key, value] : contents_) {
      auto read = db->Get(key);
      if (read.ok()) {
        outcome.read[key] = *read;
      } else if (read.error().code() != Code::kNotFound) {
        note(read.error());
        outcome.read[key] = value;  // not known: counts as right
      }
    }
    auto it = db->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const Bytes value(it->value());  // may fail; a loop need not look
      const Bytes key(it->key());
      if (!it->status().ok()) {
        continue;
      }
      const auto got = outcome.read.find(key);
      outcome.wrong |= got == outcome.read.end() || got->second != value;
    }
    note(it->status());
    it.reset();
    note(world.Run(db->Verify()));
    if (!read_only) {
      world.RunFor(1'000'000);
      (void)world.Run(db->CompactAll());  // works on damaged files, must not crash
    }
    db.reset();
    world.RunUntilIdle();
    return outcome;
  }

  void FlipEverywhere(FileKind kind, uint64_t flips_per_file) {
    const auto names = *golden_->List(kDirectory);
    int files = 0;
    for (const std::string& name : names) {
      const auto parsed = ParseFileName(name);
      if (!parsed || parsed->kind != kind) {
        continue;
      }
      const std::string path = std::string(kDirectory) + "/" + name;
      const uint64_t size = *golden_->FileSize(path);
      const uint64_t stride = std::max<uint64_t>(1, size / flips_per_file);
      for (uint64_t at = 0; at < size; at += stride) {
        const uint64_t offset = std::min(size - 1, at + env::sim::Uniform(world_.random(), stride));
        const auto mask = static_cast<unsigned char>(1u << env::sim::Uniform(world_.random(), 8));
        auto files_copy = golden_->Clone();
        files_copy->FlipBits(path, offset, mask);
        Check(kind, name, offset, Examine(std::move(files_copy), at % 2 == 0));
      }
      ++files;
    }
    EXPECT_GT(files, 0);
  }

  void Check(FileKind kind, const std::string& name, uint64_t offset, const Outcome& outcome) {
    SCOPED_TRACE(name + " at " + std::to_string(offset) + ": " + outcome.error.ToString());
    if (outcome.detected) {
      EXPECT_TRUE(outcome.error.code() == Code::kCorruption ||
                  outcome.error.code() == Code::kInvalidArgument);
      EXPECT_NE(outcome.error.message().find(name), Bytes::npos);
    }
    if (outcome.cut_short) {
      return;  // a prefix of the writes, as said
    }
    EXPECT_FALSE(outcome.wrong);
    size_t differ = 0;
    for (const auto& [key, value] : outcome.read) {
      differ += value == contents_.at(key) ? 0 : 1;
    }
    EXPECT_EQ(differ, 0u);
    if (outcome.detected) {
      return;
    }
    // No promise covers the last record: that of a log may be lost, that of a manifest is nothing
    // but a promise.
    Contents expected = contents_;
    if (kind == FileKind::kLog && !outcome.read.contains("carries")) {
      expected.erase("carries");
    }
    EXPECT_EQ(outcome.read.size(), expected.size());
    const uint64_t size = *golden_->FileSize(std::string(kDirectory) + "/" + name);
    EXPECT_TRUE(kind == FileKind::kLog ||
                (kind == FileKind::kManifest && offset + kLogHeaderBytes >= size))
        << "not found";
  }

  SimWorld world_;
  Contents contents_;
  Position last_ = 0;
  std::unique_ptr<SimFileSystem> golden_;
};

TEST_F(EngineDamage, NothingIsFoundInAnUndamagedStore) {
  for (const bool read_only : {true, false}) {
    const Outcome outcome = Examine(golden_->Clone(), read_only);
    EXPECT_FALSE(outcome.detected) << outcome.error.ToString();
    EXPECT_FALSE(outcome.wrong);
    EXPECT_EQ(outcome.read, contents_);
  }
}

TEST_F(EngineDamage, Tables) { FlipEverywhere(FileKind::kTable, 30); }
TEST_F(EngineDamage, BlobFiles) { FlipEverywhere(FileKind::kBlob, 40); }
TEST_F(EngineDamage, Logs) { FlipEverywhere(FileKind::kLog, 100); }
TEST_F(EngineDamage, Manifest) { FlipEverywhere(FileKind::kManifest, 200); }
TEST_F(EngineDamage, Current) { FlipEverywhere(FileKind::kCurrent, 100); }
TEST_F(EngineDamage, Format) { FlipEverywhere(FileKind::kFormat, 100); }

}  // namespace
}  // namespace kvfs::engine
