// Damage on the disk: any flipped bit, in any kind of file, is found when it is read, and
// named; nobody is given wrong data. Directories that are not ours are left alone.
#include <gtest/gtest.h>

#include <set>

#include "kvcore/engine/db_test_support.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/log_format.h"

namespace kvfs::engine::testing {
namespace {

bool NamesOffset(const std::string& message) {
  constexpr std::string_view kAt = " at ";
  for (size_t at = message.find(kAt); at != std::string::npos; at = message.find(kAt, at + 1)) {
    const size_t digit = at + kAt.size();
    if (digit < message.size() && message[digit] >= '0' && message[digit] <= '9') {
      return true;
    }
  }
  return false;
}

class DbDamageTest : public ::testing::Test {
 protected:
  // A store with every kind of file: tables in two levels, finished blob files, a log with
  // writes that are synced.
  void Build() {
    options_.reserve_bytes = 0;
    options_.blob_threshold_bytes = 500;
    options_.blob_file_bytes = 64 << 10;
    options_.memtable_bytes = 4 << 10;
    options_.table_bytes = 4 << 10;
    auto opened = Db::Open(options_, machine_.env(), kDirectory);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    const auto db = std::move(*opened);
    const auto write = [&](int from, int to) {
      for (int i = from; i < to; ++i) {
        const Bytes key = "key" + std::to_string(i * 37 % 100);
        WriteBatch batch;
        Bytes value = RandomValue(&machine_, i % 10 == 0 ? 40'000 : 100);
        if (i % 20 == 0) {
          batch.PutBlob(key, *db->PutBlob(value));
        } else {
          batch.Put(key, value);
        }
        contents_[key] = std::move(value);
        ASSERT_TRUE(db->Write(batch).ok());
        machine_.scheduler->RunUntilIdle();
      }
    };
    write(0, 60);
    ASSERT_TRUE(machine_.scheduler->Run(db->CompactAll()).ok());
    write(60, 100);
    ASSERT_TRUE(machine_.scheduler->Run(db->Sync(db->LastPosition())).ok());
  }

  // What comes of reading the whole store: an error, or its contents.
  Status ReadBack(env::sim::SimFileSystem* files, bool verify, Contents* contents) {
    env::sim::SimScheduler scheduler(1, false);
    env::sim::SimClock clock(&scheduler);
    env::sim::SimRandom random(1);
    const env::Env env{.clock = &clock, .scheduler = &scheduler, .files = files, .random = &random};
    KVFS_ASSIGN_OR_RETURN(const auto db, Db::Open(options_, env, kDirectory));
    if (verify) {
      KVFS_RETURN_IF_ERROR(scheduler.Run(db->Verify()));
    }
    contents->clear();
    const auto it = db->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const Bytes value(it->value());
      if (it->Valid()) {
        contents->emplace(it->key(), value);
      }
    }
    return it->status();
  }

  Machine machine_{99};
  Options options_;
  Contents contents_;
};

TEST_F(DbDamageTest, EveryFlippedByteIsFoundAndNamed) {
  Build();
  machine_.files->Crash(machine_.random, env::sim::CrashMode::kProcessDeath);
  Contents undamaged;
  ASSERT_TRUE(ReadBack(machine_.files->Clone().get(), true, &undamaged).ok());
  ASSERT_TRUE(Same(contents_, undamaged));
  const auto names = machine_.files->List(kDirectory);
  ASSERT_TRUE(names.ok());
  std::set<FileKind> kinds;
  for (const std::string& name : *names) {
    const auto file = ParseFileName(name);
    ASSERT_TRUE(file.has_value()) << name;
    if (file->kind == FileKind::kLock) {
      continue;  // says only who holds it
    }
    kinds.insert(file->kind);
    const std::string path = std::string(kDirectory) + "/" + name;
    // A log ends in zeros that stand ready for records; they mean nothing.
    const auto bytes = machine_.files->ReadFile(path);
    ASSERT_TRUE(bytes.ok());
    const uint64_t size =
        file->kind == FileKind::kLog ? bytes->find_last_not_of('\0') + 1 : bytes->size();
    // Every byte of the small files and of every file's ends, and a sample of the rest.
    const uint64_t step = std::max<uint64_t>(1, size / 150);
    for (uint64_t offset = 0; offset < size;
         offset += offset < 64 || offset + 64 > size ? 1 : std::min(step, size - 64)) {
      SCOPED_TRACE(name + " at " + std::to_string(offset) + " of " + std::to_string(size));
      const auto disk = machine_.files->Clone();
      disk->FlipBits(path, offset, static_cast<unsigned char>(1u << (offset % 8)));
      Contents contents;
      const Status read = ReadBack(disk.get(), true, &contents);
      if (read.ok()) {
        ASSERT_TRUE(Same(contents_, contents));
        // A last fragment that only says that what precedes it is durable may go unnoticed.
        EXPECT_TRUE((file->kind == FileKind::kLog || file->kind == FileKind::kManifest) &&
                    offset + kLogHeaderBytes >= size)
            << "not noticed";
        continue;
      }
      ASSERT_TRUE(read.code() == Code::kCorruption || read.code() == Code::kInvalidArgument)
          << read.ToString();
      ASSERT_TRUE(read.code() != Code::kCorruption || NamesOffset(read.message()))
          << read.ToString();
      const Bytes bare = name.substr(0, name.find('.'));
      ASSERT_NE(read.message().find(file->kind == FileKind::kFormat ? "/store" : bare),
                std::string::npos)
          << read.ToString();
    }
  }
  EXPECT_EQ(kinds,
            (std::set<FileKind>{FileKind::kLog, FileKind::kTable, FileKind::kBlob,
                                FileKind::kManifest, FileKind::kCurrent, FileKind::kFormat}));
}

TEST_F(DbDamageTest, MissingAndShortenedFilesAreNamed) {
  Build();
  machine_.files->Crash(machine_.random, env::sim::CrashMode::kProcessDeath);
  const auto names = machine_.files->List(kDirectory);
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    SCOPED_TRACE(name);
    const FileKind kind = ParseFileName(name)->kind;
    if (kind == FileKind::kLock) {
      continue;
    }
    const std::string path = std::string(kDirectory) + "/" + name;
    Contents contents;
    const auto without = machine_.files->Clone();
    ASSERT_TRUE(without->Unlink(path).ok());
    const Status missing = ReadBack(without.get(), true, &contents);
    EXPECT_FALSE(missing.ok());
    const auto shortened = machine_.files->Clone();
    auto file = shortened->OpenWritable(path, env::FileSystem::Create::kKeep);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Truncate(*shortened->FileSize(path) / 2).ok());
    file->reset();
    const Status cut = ReadBack(shortened.get(), true, &contents);
    if (kind == FileKind::kLog && cut.ok()) {
      continue;  // cut behind the last promise it is a torn tail
    }
    EXPECT_FALSE(cut.ok());
    EXPECT_TRUE(cut.code() == Code::kCorruption) << cut.ToString();
  }
}

// A cut log looks like one whose end never reached the disk; a clean close leaves word of it.
TEST_F(DbDamageTest, ALogCutAfterACleanCloseIsFound) {
  Build();  // closes at its end
  const auto names = machine_.files->List(kDirectory);
  ASSERT_TRUE(names.ok());
  int cut = 0;
  for (const std::string& name : *names) {
    if (ParseFileName(name)->kind != FileKind::kLog) {
      continue;
    }
    const std::string path = std::string(kDirectory) + "/" + name;
    const auto disk = machine_.files->Clone();
    auto log = disk->OpenWritable(path, env::FileSystem::Create::kKeep);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE((*log)->Truncate(0).ok());
    ASSERT_TRUE((*log)->Close().ok());
    disk->Crash(machine_.random, env::sim::CrashMode::kProcessDeath);
    Contents contents;
    const Status read = ReadBack(disk.get(), false, &contents);
    if (read.ok()) {
      EXPECT_TRUE(Same(contents_, contents)) << name;
    } else {
      EXPECT_EQ(read.code(), Code::kCorruption) << read.ToString();
      ++cut;
    }
  }
  EXPECT_EQ(cut, 1);
}

TEST_F(DbDamageTest, ReadOnlyOpensWhatPrecedesTheDamageInALog) {
  options_.reserve_bytes = 0;
  {
    auto opened = Db::Open(options_, machine_.env(), kDirectory);
    ASSERT_TRUE(opened.ok());
    for (int i = 0; i < 1000; ++i) {
      WriteBatch batch;
      batch.Put("key" + std::to_string(1000 + i), RandomValue(&machine_, 100));
      ASSERT_TRUE((*opened)->Write(batch).ok());
    }
    ASSERT_TRUE(machine_.scheduler->Run((*opened)->Sync((*opened)->LastPosition())).ok());
  }
  std::string log;
  const auto names = machine_.files->List(kDirectory);
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    if (ParseFileName(name)->kind == FileKind::kLog) {
      log = name;
    }
  }
  machine_.files->FlipBits(std::string(kDirectory) + "/" + log, 60'000, 4);
  auto refused = Db::Open(options_, machine_.env(), kDirectory);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::kCorruption);
  EXPECT_NE(refused.error().message().find(log), std::string::npos) << refused.error().ToString();
  options_.read_only = true;
  const auto changes = machine_.files->OperationCount(env::sim::kMutatingOps &
                                                      ~env::sim::KindSet(env::sim::OpKind::kLock));
  {
    auto opened = Db::Open(options_, machine_.env(), kDirectory);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    Contents contents;
    ASSERT_TRUE(ReadAll(opened->get(), {}, &contents));
    EXPECT_GT(contents.size(), 300u);
    EXPECT_LT(contents.size(), 600u);
    WriteBatch batch;
    batch.Put("a", "b");
    EXPECT_EQ((*opened)->Write(batch).error().code(), Code::kReadOnly);
  }
  EXPECT_EQ(changes, machine_.files->OperationCount(env::sim::kMutatingOps &
                                                    ~env::sim::KindSet(env::sim::OpKind::kLock)));
}

TEST_F(DbDamageTest, ForeignDirectoriesAreRefusedAndLeftAlone) {
  ASSERT_TRUE(machine_.files->CreateDirectory(kDirectory).ok());
  ASSERT_TRUE(machine_.files->WriteFileAtomically(kDirectory, "thesis.tex", "text").ok());
  const auto before = machine_.files->OperationCount();
  auto opened = Db::Open(options_, machine_.env(), kDirectory);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  EXPECT_NE(opened.error().message().find("thesis.tex"), std::string::npos);
  EXPECT_EQ(machine_.files->OperationCount(), before);
}

TEST_F(DbDamageTest, ANewerFormatIsRefused) {
  Build();
  ASSERT_TRUE(
      machine_.files->WriteFileAtomically(kDirectory, "FORMAT", "kvfs engine format 9\n").ok());
  const auto before = machine_.files->OperationCount();
  auto opened = Db::Open(options_, machine_.env(), kDirectory);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  EXPECT_NE(opened.error().message().find("9"), std::string::npos);
  EXPECT_EQ(machine_.files->OperationCount(), before);
}

TEST_F(DbDamageTest, ASecondHolderIsToldWhoTheFirstIs) {
  options_.reserve_bytes = 0;
  options_.holder = "pid 4711";
  auto first = Db::Open(options_, machine_.env(), kDirectory);
  ASSERT_TRUE(first.ok());
  auto second = Db::Open(options_, machine_.env(), kDirectory);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kBusy);
  EXPECT_NE(second.error().message().find("pid 4711"), std::string::npos)
      << second.error().ToString();
}

}  // namespace
}  // namespace kvfs::engine::testing
