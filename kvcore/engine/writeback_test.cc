// What is written in the background begins its way to the disk as it grows.
#include <gtest/gtest.h>

#include "kvcore/engine/blob_file.h"
#include "kvcore/engine/blob_rewrite.h"
#include "kvcore/engine/db_test_support.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/engine/internal_key.h"
#include "kvcore/engine/table_output.h"

namespace kvfs::engine::testing {
namespace {

constexpr uint64_t kMiB = 1u << 20;

// How far write-out of the files has begun without a gap, and in how many parts.
struct Writeback {
  uint64_t end = 0;
  uint64_t parts = 0;
};

class WatchedFile final : public env::WritableFile {
 public:
  WatchedFile(std::unique_ptr<env::WritableFile> file, Writeback* writeback)
      : file_(std::move(file)), writeback_(writeback) {}

  Status WriteAt(uint64_t offset, ByteView data) override {
    written_ = std::max(written_, offset + data.size());
    return file_->WriteAt(offset, data);
  }
  Status Sync() override { return file_->Sync(); }
  void StartWriteback(uint64_t offset, uint64_t size) override {
    EXPECT_LE(offset, writeback_->end);
    EXPECT_LE(offset + size, written_);
    writeback_->end = std::max(writeback_->end, offset + size);
    ++writeback_->parts;
  }
  Status Reserve(uint64_t size) override { return file_->Reserve(size); }
  Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  Status Close() override { return file_->Close(); }

 private:
  const std::unique_ptr<env::WritableFile> file_;
  Writeback* const writeback_;
  uint64_t written_ = 0;
};

class WatchedFiles final : public env::FileSystem {
 public:
  explicit WatchedFiles(env::FileSystem* files) : files_(files) {}

  Result<std::unique_ptr<env::WritableFile>> OpenWritable(const std::string& path,
                                                          Create create) override {
    KVFS_ASSIGN_OR_RETURN(auto file, files_->OpenWritable(path, create));
    return std::unique_ptr<env::WritableFile>(
        std::make_unique<WatchedFile>(std::move(file), &writeback));
  }
  Result<std::unique_ptr<env::RandomAccessFile>> OpenRandomAccess(
      const std::string& path) override {
    return files_->OpenRandomAccess(path);
  }
  Status CreateDirectory(const std::string& path) override { return files_->CreateDirectory(path); }
  Status SyncDirectory(const std::string& path) override { return files_->SyncDirectory(path); }
  Result<std::vector<std::string>> List(const std::string& path) override {
    return files_->List(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return files_->Rename(from, to);
  }
  Status Link(const std::string& from, const std::string& to) override {
    return files_->Link(from, to);
  }
  Status Unlink(const std::string& path) override { return files_->Unlink(path); }
  Status RemoveDirectory(const std::string& path) override { return files_->RemoveDirectory(path); }
  Result<bool> Exists(const std::string& path) override { return files_->Exists(path); }
  Result<uint64_t> FileSize(const std::string& path) override { return files_->FileSize(path); }
  Result<Bytes> FileIdentity(const std::string& path) override {
    return files_->FileIdentity(path);
  }
  Result<env::SpaceInfo> Space(const std::string& path) override { return files_->Space(path); }
  Result<std::unique_ptr<env::FileLock>> LockFile(const std::string& path,
                                                  ByteView holder) override {
    return files_->LockFile(path, holder);
  }

  Writeback writeback;

 private:
  env::FileSystem* const files_;
};

class WritebackTest : public ::testing::Test {
 protected:
  WritebackTest() {
    EXPECT_TRUE(machine_.files->CreateDirectory(kDirectory).ok());
    env_.files = &files_;
  }
  Machine machine_{5};
  WatchedFiles files_{machine_.files.get()};
  env::Env env_ = machine_.env();
};

TEST_F(WritebackTest, OfATable) {
  auto output = TableOutput::Create(&files_, kDirectory, Options(), 1);
  ASSERT_TRUE(output.ok());
  for (int i = 0; (*output)->FileSize() < 10 * kMiB; ++i) {
    Bytes key;
    AppendInternalKey(std::to_string(10'000'000 + i), 1, EntryType::kValue, &key);
    ASSERT_TRUE((*output)->Add(key, RandomValue(&machine_, 1000)).ok());
  }
  EXPECT_GE(files_.writeback.end, 8 * kMiB);
  EXPECT_GE(files_.writeback.parts, 5u);
  EXPECT_TRUE((*output)->Finish().ok());
}

TEST_F(WritebackTest, OfARewrittenBlobFile) {
  const BlobFileId id{1, 1, 77};
  const std::string path = FilePath(kDirectory, FileKind::kBlob, 1);
  auto file = machine_.files->OpenWritable(path, env::FileSystem::Create::kNew);
  ASSERT_TRUE(file.ok());
  auto writer = BlobFileWriter::Create(std::move(*file), id);
  ASSERT_TRUE(writer.ok());
  OrdinalSet needed;
  while ((*writer)->Size() < 10 * kMiB) {
    const auto pointer = (*writer)->Append(PrepareBlob(RandomValue(&machine_, 100'000)));
    ASSERT_TRUE(pointer.ok());
    needed.Insert(pointer->ordinal);
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  auto readable = machine_.files->OpenRandomAccess(path);
  ASSERT_TRUE(readable.ok());
  auto from = BlobFile::Open(std::move(*readable), path, 1);
  ASSERT_TRUE(from.ok());
  auto rewrite = BlobRewrite::Start(env_, kDirectory, std::move(*from), std::move(needed), 2);
  ASSERT_TRUE(rewrite.ok());
  uint64_t steps = 0;
  for (bool done = false; !done; ++steps) {
    const auto step = (*rewrite)->Step(kMiB);
    ASSERT_TRUE(step.ok()) << step.error().ToString();
    done = *step;
  }
  EXPECT_EQ(files_.writeback.parts, steps - 1);
  EXPECT_GE(files_.writeback.end, 8 * kMiB);
}

}  // namespace
}  // namespace kvfs::engine::testing
