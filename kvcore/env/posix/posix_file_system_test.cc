#include "kvcore/env/posix/posix_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace kvfs::env::posix {
namespace {

using Create = FileSystem::Create;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  PosixFileSystemTest() {
    std::string pattern = ::testing::TempDir() + "kvfs_posix_XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~PosixFileSystemTest() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  void Write(const std::string& name, ByteView content) {
    auto file = files_.OpenWritable(Path(name), Create::kTruncate);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, content).ok());
    ASSERT_TRUE((*file)->Close().ok());
  }

  std::string dir_;
  PosixFileSystem files_;
};

TEST_F(PosixFileSystemTest, WritesReadsAndTruncates) {
  auto file = files_.OpenWritable(Path("f"), Create::kNew);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const Bytes big(3'000'000, 'x');
  EXPECT_TRUE((*file)->WriteAt(0, big).ok());
  EXPECT_TRUE((*file)->WriteAt(5'000'000, "end").ok());
  EXPECT_TRUE((*file)->Sync().ok());
  (*file)->StartWriteback(0, 4096);
  auto reader = files_.OpenRandomAccess(Path("f"));
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(*(*reader)->Size(), 5'000'003u);
  Bytes out;
  EXPECT_TRUE((*reader)->ReadAt(2'999'999, 3, &out).ok());
  EXPECT_EQ(out, ByteView("x\0\0", 3));
  EXPECT_TRUE((*reader)->ReadAt(5'000'000, 100, &out).ok());
  EXPECT_EQ(out, "end");
  EXPECT_TRUE((*reader)->ReadAt(6'000'000, 100, &out).ok());
  EXPECT_EQ(out, "");
  char two[2];
  EXPECT_EQ(*(*reader)->ReadInto(5'000'002, 2, two), 1u);
  EXPECT_TRUE((*file)->Truncate(10).ok());
  EXPECT_EQ(*files_.FileSize(Path("f")), 10u);
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_EQ(*files_.ReadFile(Path("f")), "xxxxxxxxxx");
}

TEST_F(PosixFileSystemTest, AFilesIdentityIsNoOthers) {
  ASSERT_TRUE(files_.WriteFileAtomically(Path(""), "f", "one").ok());
  const Bytes identity = *files_.FileIdentity(Path("f"));
  EXPECT_EQ(identity.size(), 16u);
  ASSERT_TRUE(files_.Rename(Path("f"), Path("g")).ok());
  EXPECT_EQ(*files_.FileIdentity(Path("g")), identity);
  ASSERT_TRUE(files_.WriteFileAtomically(Path(""), "f", "two").ok());
  EXPECT_NE(*files_.FileIdentity(Path("f")), identity);
  EXPECT_EQ(files_.FileIdentity(Path("missing")).status().code(), Code::kNotFound);
}

TEST_F(PosixFileSystemTest, ReserveTakesSpaceAndKeepsTheSize) {
  auto file = files_.OpenWritable(Path("f"), Create::kNew);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->Reserve(0).ok());
  ASSERT_TRUE((*file)->Reserve(1 << 20).ok());
  EXPECT_EQ(*files_.FileSize(Path("f")), 0u);
}

TEST_F(PosixFileSystemTest, CreateModes) {
  Write("f", "old");
  EXPECT_EQ(files_.OpenWritable(Path("f"), Create::kNew).status().code(), Code::kAlreadyExists);
  { ASSERT_TRUE(files_.OpenWritable(Path("f"), Create::kKeep).ok()); }
  EXPECT_EQ(*files_.ReadFile(Path("f")), "old");
  { ASSERT_TRUE(files_.OpenWritable(Path("f"), Create::kTruncate).ok()); }
  EXPECT_EQ(*files_.ReadFile(Path("f")), "");
}

TEST_F(PosixFileSystemTest, ErrorsNameThePathAndTheReason) {
  const Status missing = files_.OpenRandomAccess(Path("missing")).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), ::testing::HasSubstr(Path("missing")));
  EXPECT_THAT(missing.message(), ::testing::HasSubstr("No such file"));
  EXPECT_EQ(files_.Unlink(Path("missing")).code(), Code::kNotFound);
  EXPECT_EQ(files_.FileSize(Path("missing")).status().code(), Code::kNotFound);
  EXPECT_EQ(files_.List(Path("missing")).status().code(), Code::kNotFound);
  EXPECT_EQ(files_.SyncDirectory(Path("missing")).code(), Code::kNotFound);
  Write("f", "");
  EXPECT_EQ(files_.CreateDirectory(Path("f")).code(), Code::kAlreadyExists);
  EXPECT_EQ(files_.SyncDirectory(Path("f")).code(), Code::kIoError);
}

TEST_F(PosixFileSystemTest, FullDeviceIsNoSpace) {
  auto file = files_.OpenWritable("/dev/full", Create::kKeep);
  if (!file.ok()) {
    GTEST_SKIP() << file.status().ToString();
  }
  const Status status = (*file)->WriteAt(0, "x");
  EXPECT_EQ(status.code(), Code::kNoSpace);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("/dev/full"));
}

TEST_F(PosixFileSystemTest, Directories) {
  EXPECT_TRUE(files_.CreateDirectory(Path("d")).ok());
  EXPECT_TRUE(files_.CreateDirectory(Path("d")).ok());
  Write("d/a", "1");
  Write("d/b", "2");
  EXPECT_THAT(*files_.List(Path("d")), ::testing::UnorderedElementsAre("a", "b"));
  EXPECT_TRUE(files_.Rename(Path("d/a"), Path("d/b")).ok());
  EXPECT_EQ(*files_.ReadFile(Path("d/b")), "1");
  EXPECT_TRUE(files_.Link(Path("d/b"), Path("d/c")).ok());
  EXPECT_EQ(files_.Link(Path("d/b"), Path("d/c")).code(), Code::kAlreadyExists);
  EXPECT_TRUE(files_.SyncDirectory(Path("d")).ok());
  EXPECT_EQ(files_.RemoveDirectory(Path("d")).code(), Code::kIoError);
  EXPECT_TRUE(files_.Unlink(Path("d/b")).ok());
  EXPECT_EQ(*files_.ReadFile(Path("d/c")), "1");
  EXPECT_TRUE(files_.Unlink(Path("d/c")).ok());
  EXPECT_TRUE(files_.RemoveDirectory(Path("d")).ok());
  EXPECT_FALSE(*files_.Exists(Path("d")));
  EXPECT_FALSE(*files_.Exists(Path("d/below")));
  EXPECT_TRUE(*files_.Exists(dir_));
}

TEST_F(PosixFileSystemTest, AtomicFileReplacesAndLeavesNoTemporary) {
  ASSERT_TRUE(files_.WriteFileAtomically(dir_, "f", "one").ok());
  ASSERT_TRUE(files_.WriteFileAtomically(dir_, "f", "two").ok());
  EXPECT_EQ(*files_.ReadFile(Path("f")), "two");
  EXPECT_THAT(*files_.List(dir_), ::testing::ElementsAre("f"));
}

TEST_F(PosixFileSystemTest, LockIsExclusiveAndNamesItsHolder) {
  {
    auto first = files_.LockFile(Path("LOCK"), "pid 17");
    ASSERT_TRUE(first.ok());
    const Status second = files_.LockFile(Path("LOCK"), "pid 18").status();
    EXPECT_EQ(second.code(), Code::kBusy);
    EXPECT_THAT(second.message(), ::testing::HasSubstr("pid 17"));
  }
  EXPECT_TRUE(files_.LockFile(Path("LOCK"), "pid 18").ok());
  EXPECT_EQ(*files_.ReadFile(Path("LOCK")), "pid 18");
}

TEST_F(PosixFileSystemTest, FilesAreForTheirOwnerOnly) {
  Write("f", "");
  ASSERT_TRUE(files_.CreateDirectory(Path("d")).ok());
  struct stat info {};
  ASSERT_EQ(::stat(Path("f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077u, 0u);
  ASSERT_EQ(::stat(Path("d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077u, 0u);
}

TEST_F(PosixFileSystemTest, SpaceIsPlausible) {
  auto space = files_.Space(dir_);
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->available_bytes, space->total_bytes);
}

}  // namespace
}  // namespace kvfs::env::posix
