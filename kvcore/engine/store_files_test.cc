// The engine's files in a real directory: spare and recycled logs, finishing blob files, the
// caches of open files, dumps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kvcore/engine/batch_reader.h"
#include "kvcore/engine/blob_cache.h"
#include "kvcore/engine/blob_writer.h"
#include "kvcore/engine/dump.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/log_reader.h"
#include "kvcore/engine/log_writer.h"
#include "kvcore/engine/table_builder.h"
#include "kvcore/engine/table_cache.h"
#include "kvcore/engine/version_set.h"
#include "kvcore/engine/write_batch.h"
#include "kvcore/env/posix/posix_file_system.h"
#include "tests/support/temp_directory.h"

namespace kvfs::engine {
namespace {

using Create = env::FileSystem::Create;
using ::testing::Contains;
using ::testing::HasSubstr;

class StoreFilesTest : public ::testing::Test {
 protected:
  std::string Path(FileKind kind, uint64_t number) const {
    return FilePath(directory_.path(), kind, number);
  }
  std::unique_ptr<env::WritableFile> OpenForWriting(FileKind kind, uint64_t number, Create create) {
    auto file = files_.OpenWritable(Path(kind, number), create);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return std::move(*file);
  }
  void WriteTable(uint64_t number, int entries) {
    auto file = OpenForWriting(FileKind::kTable, number, Create::kNew);
    TableBuilder builder(Options(), number, file.get());
    for (int i = 0; i < entries; ++i) {
      Bytes key;
      AppendInternalKey(std::to_string(1000 + i), 1, EntryType::kValue, &key);
      EXPECT_TRUE(builder.Add(key, "value " + std::to_string(i)).ok());
    }
    EXPECT_TRUE(builder.Finish().ok());
    EXPECT_TRUE(file->Close().ok());
  }
  std::unique_ptr<BlobFileWriter> NewBlobFile(uint64_t logical, uint64_t physical) {
    auto writer = BlobFileWriter::Create(OpenForWriting(FileKind::kBlob, physical, Create::kNew),
                                         {logical, physical, 77});
    EXPECT_TRUE(writer.ok());
    return std::move(*writer);
  }
  std::vector<std::string> Dump(FileKind kind, uint64_t number, Status* status) {
    std::vector<std::string> lines;
    *status = DumpFile(&files_, Path(kind, number),
                       [&lines](const std::string& line) { lines.push_back(line); });
    return lines;
  }
  void FlipByte(FileKind kind, uint64_t number, uint64_t offset) {
    Bytes content = *files_.ReadFile(Path(kind, number));
    content[offset] = static_cast<char>(content[offset] ^ 0x40);
    auto file = OpenForWriting(kind, number, Create::kTruncate);
    ASSERT_TRUE(file->WriteAt(0, content).ok());
  }

  test::TempDirectory directory_;
  env::posix::PosixFileSystem files_;
};

TEST_F(StoreFilesTest, ASpareLogIsWrittenOverAndRecycled) {
  constexpr uint64_t kBytes = 3u << 20;
  const std::string first = Path(FileKind::kLog, 1);
  ASSERT_TRUE(PrewriteLog(&files_, first, kBytes).ok());
  EXPECT_EQ(*files_.FileSize(first), kBytes);
  auto summary = ScanLog(&files_, first, 1);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->records, 0u);

  {
    LogWriter writer(OpenForWriting(FileKind::kLog, 1, Create::kKeep), 1);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(writer.AddRecord(Bytes(10'000, 'x')).ok());
    }
    writer.MarkSynced(writer.Offset());
    ASSERT_TRUE(writer.AddRecord("last").ok());
    summary = ScanLog(&files_, first, 1);
    ASSERT_TRUE(summary.ok());
    EXPECT_EQ(summary->records, 101u);
    EXPECT_EQ(summary->end_offset, writer.Offset());
    EXPECT_GT(summary->synced_up_to, 1'000'000u);
    EXPECT_FALSE(summary->torn);
    ASSERT_TRUE(writer.Release()->Close().ok());
  }
  EXPECT_EQ(*files_.FileSize(first), kBytes);

  const std::string second = Path(FileKind::kLog, 2);
  ASSERT_TRUE(files_.Rename(first, second).ok());
  summary = ScanLog(&files_, second, 2);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->records, 0u);
  LogWriter writer(OpenForWriting(FileKind::kLog, 2, Create::kKeep), 2);
  ASSERT_TRUE(writer.AddRecord("new").ok());
  summary = ScanLog(&files_, second, 2);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->records, 1u);
  EXPECT_EQ(summary->end_offset, writer.Offset());
}

TEST_F(StoreFilesTest, ABlobFileWhoseWriterDiedIsFinished) {
  BlobPointer unwanted;
  BlobPointer kept;
  BlobPointer cut;
  {
    auto writer = NewBlobFile(3, 4);
    unwanted = *writer->Put("nothing refers to this");
    kept = *writer->Put(Bytes(100'000, 'k'));
    cut = *writer->Put(Bytes(100'000, 'c'));
  }
  const std::string path = Path(FileKind::kBlob, 4);
  const uint64_t size = *files_.FileSize(path);
  ASSERT_TRUE(OpenForWriting(FileKind::kBlob, 4, Create::kKeep)->Truncate(size - 1).ok());
  const auto use = [&unwanted](uint32_t ordinal) {
    return ordinal == unwanted.ordinal ? BlobUse::kNone : BlobUse::kUnsure;
  };
  ASSERT_TRUE(FinishBlobFile(&files_, path, 4, use).ok());
  const Bytes once = *files_.ReadFile(path);
  ASSERT_TRUE(FinishBlobFile(&files_, path, 4, use).ok());
  EXPECT_EQ(*files_.ReadFile(path), once);

  BlobFileCache cache(&files_, directory_.path(), 10);
  auto file = cache.Get(4);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_TRUE((*file)->Finished());
  EXPECT_EQ((*file)->index().Count(), 1u);
  EXPECT_EQ(*(*file)->Read(kept), Bytes(100'000, 'k'));
  EXPECT_EQ((*file)->Read(cut).status().code(), Code::kCorruption);
  EXPECT_EQ((*file)->Read(unwanted).status().code(), Code::kCorruption);
  EXPECT_TRUE((*file)->VerifyAll(true).ok());
}

TEST_F(StoreFilesTest, CachesKeepABoundedCountOpen) {
  for (uint64_t number = 1; number <= 5; ++number) {
    WriteTable(number, 10);
    auto writer = NewBlobFile(number + 100, number + 100);
    ASSERT_TRUE(writer->Put("value").ok());
    ASSERT_TRUE(writer->Finish().ok());
  }
  BlockCache blocks(1u << 20, 1);
  TableCache tables(&files_, directory_.path(), &blocks, 2);
  BlobFileCache blobs(&files_, directory_.path(), 2);
  std::weak_ptr<const Table> first_table = *tables.Get(1);
  std::weak_ptr<const BlobFile> first_blob = *blobs.Get(101);
  EXPECT_EQ(*tables.Get(1), first_table.lock());
  EXPECT_EQ(*blobs.Get(101), first_blob.lock());
  for (uint64_t number = 2; number <= 5; ++number) {
    EXPECT_EQ((*(*tables.Get(number))->Get("1005", 9))->value, "value 5");
    EXPECT_EQ(*(*blobs.Get(number + 100))->Read({number + 100, 0, 5, 32}), "value");
  }
  EXPECT_TRUE(first_table.expired());
  EXPECT_TRUE(first_blob.expired());

  // A file in use stays usable after it is gone.
  const auto used = *tables.Get(5);
  const auto used_blob = *blobs.Get(105);
  ASSERT_TRUE(files_.Unlink(Path(FileKind::kTable, 5)).ok());
  ASSERT_TRUE(files_.Unlink(Path(FileKind::kBlob, 105)).ok());
  tables.Evict(5);
  blobs.Evict(105);
  EXPECT_EQ((*used->Get("1005", 9))->value, "value 5");
  EXPECT_EQ(*used_blob->Read({105, 0, 5, 32}), "value");
  EXPECT_EQ(tables.Get(5).status().code(), Code::kNotFound);
  EXPECT_EQ(blobs.Get(105).status().code(), Code::kNotFound);
}

TEST_F(StoreFilesTest, DumpsSayWhatIsThere) {
  WriteBatch batch;
  batch.Put("key", "value");
  batch.Delete("gone");
  batch.PutBlob("blob", {3, 4, 500, 300});
  Bytes header;
  EncodeLogPayloadHeader(41, batch.Count(), &header);
  {
    LogWriter writer(OpenForWriting(FileKind::kLog, 1, Create::kNew), 1);
    const ByteView parts[] = {header, batch.Encoded()};
    ASSERT_TRUE(writer.AddRecord(parts).ok());
  }
  Status status;
  auto lines = Dump(FileKind::kLog, 1, &status);
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(lines, Contains(HasSubstr("record at 0: sequence 41, 3 entries")));
  EXPECT_THAT(lines, Contains(HasSubstr("\"6b6579\" @ 41 value \"76616c7565\"")));
  EXPECT_THAT(lines, Contains(HasSubstr("@ 42 delete")));
  EXPECT_THAT(lines, Contains(HasSubstr("@ 43 blob blob file 3 ordinal 4 raw 500 stored 300")));
  EXPECT_THAT(lines, Contains(HasSubstr("end at ")));

  WriteTable(2, 100);
  lines = Dump(FileKind::kTable, 2, &status);
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(lines, Contains(HasSubstr("entries 100, deletes 0")));
  EXPECT_THAT(lines, Contains(HasSubstr("\"31303939\" @ 1 value")));

  {
    auto writer = NewBlobFile(9, 3);
    ASSERT_TRUE(writer->Put("value").ok());
    ASSERT_TRUE(writer->Finish().ok());
  }
  lines = Dump(FileKind::kBlob, 3, &status);
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(lines, Contains(HasSubstr("logical 9")));
  EXPECT_THAT(lines, Contains(HasSubstr("ordinal 0 at 40: stored 32")));

  VersionEdit edit;
  edit.next_file_number = 11;
  edit.log_number = 12;
  edit.last_sequence = 13;
  edit.durable_sequence = 14;
  edit.deleted_tables.push_back({1, 15});
  Bytes largest;
  AppendInternalKey("z", 20, EntryType::kValue, &largest);
  edit.added_tables.push_back({2,
                               {.number = 16,
                                .file_bytes = 17,
                                .entries = 18,
                                .deletes = 3,
                                .longest_dead_run = 2,
                                .hidden_bytes = 19,
                                .smallest_sequence = 20,
                                .largest_sequence = 21,
                                .smallest = largest,
                                .largest = largest}});
  edit.blob_files.push_back({.logical = 22, .physical = 23, .file_bytes = 25, .record_bytes = 24});
  edit.removed_blob_files.push_back(26);
  edit.blob_changes[22].added.Insert(1);
  edit.blob_changes[22].added_bytes = 27;
  edit.blob_changes[22].removed.Insert(2);
  edit.blob_changes[22].removed_bytes = 28;
  ASSERT_TRUE(WriteManifest(&files_, directory_.path(), 4, edit).ok());
  lines = Dump(FileKind::kManifest, 4, &status);
  EXPECT_TRUE(status.ok()) << status.ToString();
  for (const char* field :
       {"next file 11", "log 12", "last sequence 13", "durable sequence 14",
        "remove table 15 from level 1",
        "add table 16 to level 2: 17 bytes, 18 entries, 3 deletes, 2 dead in a row, "
        "19 bytes hidden, sequences 20 to 21, \"7a\" @ 20 value .. ",
        "blob file 22 is 23, 25 bytes, 24 in records", "remove blob file 26",
        "blob file 22: 1 pointers come, for 27 bytes, 1 go, for 28 bytes"}) {
    EXPECT_THAT(lines, Contains(HasSubstr(field)));
  }
  EXPECT_EQ(lines.size(), 9u);

  EXPECT_EQ(Dump(FileKind::kLock, 0, &status).size(), 0u);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(Dump(FileKind::kLog, 99, &status).size(), 0u);
  EXPECT_EQ(status.code(), Code::kNotFound);
}

TEST_F(StoreFilesTest, DumpsEndAtDamage) {
  WriteTable(2, 100);
  FlipByte(FileKind::kTable, 2, 10);
  {
    auto writer = NewBlobFile(9, 3);
    ASSERT_TRUE(writer->Put("one").ok());
    ASSERT_TRUE(writer->Put("two").ok());
    ASSERT_TRUE(writer->Finish().ok());
  }
  FlipByte(FileKind::kBlob, 3, kBlobFileHeaderBytes + 28);
  Status status;
  Dump(FileKind::kTable, 2, &status);
  EXPECT_EQ(status.code(), Code::kCorruption);
  const auto lines = Dump(FileKind::kBlob, 3, &status);
  EXPECT_EQ(status.code(), Code::kCorruption);
  EXPECT_THAT(lines, Contains(HasSubstr("ordinal 1 at ")));
}

}  // namespace
}  // namespace kvfs::engine
