#include "kvcore/env/sim/sim_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {
namespace {

using Create = FileSystem::Create;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr int kDraws = 300;

class SimFileSystemTest : public ::testing::Test {
 protected:
  SimFileSystemTest() {
    EXPECT_TRUE(files_.CreateDirectory("/d").ok());
    EXPECT_TRUE(files_.SyncDirectory("/").ok());
  }
  std::unique_ptr<WritableFile> Open(const std::string& path, Create create = Create::kKeep) {
    auto file = files_.OpenWritable(path, create);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return std::move(*file);
  }
  void Write(const std::string& path, ByteView content, bool sync = true) {
    auto file = Open(path, Create::kTruncate);
    EXPECT_TRUE(file->WriteAt(0, content).ok());
    if (sync) {
      EXPECT_TRUE(file->Sync().ok());
    }
  }
  // "name=content ..." of a directory, for every state that a power loss may leave.
  std::set<std::string> States(const std::string& directory = "/d") {
    std::set<std::string> states;
    for (int i = 0; i < kDraws; ++i) {
      auto copy = files_.Clone();
      copy->Crash(random_, CrashMode::kPowerLoss);
      states.insert(Show(*copy, directory));
    }
    return states;
  }
  static std::string Show(SimFileSystem& files, const std::string& directory) {
    std::string text;
    auto names = files.List(directory);
    EXPECT_TRUE(names.ok()) << names.status().ToString();
    for (const auto& name : *names) {
      text += name + "=" + *files.ReadFile(directory + "/" + name) + " ";
    }
    return text;
  }

  SimRandom random_{11};
  SimFileSystem files_;
};

TEST_F(SimFileSystemTest, BehavesAsTheInterfaceSays) {
  Write("/d/f", "hello");
  EXPECT_EQ(files_.OpenWritable("/d/f", Create::kNew).status().code(), Code::kAlreadyExists);
  EXPECT_EQ(files_.OpenWritable("/none/f", Create::kNew).status().code(), Code::kNotFound);
  EXPECT_EQ(files_.OpenRandomAccess("/d/none").status().code(), Code::kNotFound);
  auto reader = files_.OpenRandomAccess("/d/f");
  ASSERT_TRUE(reader.ok());
  Bytes out;
  EXPECT_TRUE((*reader)->ReadAt(3, 100, &out).ok());
  EXPECT_EQ(out, "lo");
  EXPECT_TRUE((*reader)->ReadAt(100, 1, &out).ok());
  EXPECT_EQ(out, "");
  EXPECT_TRUE(files_.Link("/d/f", "/d/g").ok());
  EXPECT_EQ(files_.Link("/d/f", "/d/g").code(), Code::kAlreadyExists);
  EXPECT_TRUE(files_.Unlink("/d/f").ok());
  EXPECT_EQ(files_.Unlink("/d/f").code(), Code::kNotFound);
  EXPECT_TRUE((*reader)->ReadAt(0, 5, &out).ok());  // unlinked, still open
  EXPECT_EQ(out, "hello");
  EXPECT_EQ(files_.RemoveDirectory("/d").code(), Code::kIoError);
  EXPECT_EQ(files_.CreateDirectory("/d/g").code(), Code::kAlreadyExists);
  const Bytes identity = *files_.FileIdentity("/d/g");
  EXPECT_TRUE(files_.Rename("/d/g", "/h").ok());
  EXPECT_EQ(*files_.FileSize("h"), 5u);
  EXPECT_EQ(*files_.FileIdentity("h"), identity);
  Write("/d/g", "hello");
  EXPECT_NE(*files_.FileIdentity("/d/g"), identity);
  EXPECT_TRUE(files_.Unlink("/d/g").ok());
  EXPECT_TRUE(files_.RemoveDirectory("/d").ok());
  EXPECT_FALSE(*files_.Exists("/d"));
}

TEST_F(SimFileSystemTest, UnsyncedNamesSurviveAsAPrefix) {
  Write("/d/a", "1");
  Write("/d/b", "2");
  ASSERT_TRUE(files_.Unlink("/d/a").ok());
  EXPECT_EQ(States(), (std::set<std::string>{"", "a=1 ", "a=1 b=2 ", "b=2 "}));
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  EXPECT_EQ(States(), std::set<std::string>{"b=2 "});
}

TEST_F(SimFileSystemTest, UnsyncedRenameIsAtomic) {
  Write("/d/f", "old");
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  Write("/d/f.tmp", "new");
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  ASSERT_TRUE(files_.Rename("/d/f.tmp", "/d/f").ok());
  EXPECT_EQ(States(), (std::set<std::string>{"f=new ", "f=old f.tmp=new "}));
}

TEST_F(SimFileSystemTest, RenameBetweenDirectoriesNeverLosesTheFile) {
  ASSERT_TRUE(files_.CreateDirectory("/e").ok());
  ASSERT_TRUE(files_.SyncDirectory("/").ok());
  Write("/d/f", "x");
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  ASSERT_TRUE(files_.Rename("/d/f", "/e/g").ok());
  std::set<std::string> seen;
  for (int i = 0; i < kDraws; ++i) {
    auto copy = files_.Clone();
    copy->Crash(random_, CrashMode::kPowerLoss);
    seen.insert(Show(*copy, "/d") + "|" + Show(*copy, "/e"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"f=x |", "|g=x "}));
  ASSERT_TRUE(files_.SyncDirectory("/e").ok());
  EXPECT_EQ(States("/e"), std::set<std::string>{"g=x "});
  EXPECT_EQ(States("/d"), std::set<std::string>{""});
}

TEST_F(SimFileSystemTest, AtomicFileIsWholeAtEveryCrash) {
  ASSERT_TRUE(files_.WriteFileAtomically("/d", "f", "old").ok());
  std::set<std::string> seen;
  files_.SetTrace([&](const SimOperation&) {
    for (int i = 0; i < 50; ++i) {
      auto copy = files_.Clone();
      copy->Crash(random_, CrashMode::kPowerLoss);
      seen.insert(*copy->ReadFile("/d/f"));
    }
  });
  ASSERT_TRUE(files_.WriteFileAtomically("/d", "f", "new").ok());
  files_.SetTrace(nullptr);
  EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
  files_.Crash(random_, CrashMode::kPowerLossMinimum);
  EXPECT_EQ(*files_.ReadFile("/d/f"), "new");
}

TEST_F(SimFileSystemTest, AtomicFileThatFailsLeavesTheOldOneAndNoTemporary) {
  ASSERT_TRUE(files_.WriteFileAtomically("/d", "f", "old").ok());
  for (auto kind : {OpKind::kCreate, OpKind::kWrite, OpKind::kSync, OpKind::kRename}) {
    files_.Inject({.kinds = KindSet(kind), .code = Code::kNoSpace});
    EXPECT_EQ(files_.WriteFileAtomically("/d", "f", "new").code(), Code::kNoSpace);
    EXPECT_EQ(Show(files_, "/d"), "f=old ");
  }
}

TEST_F(SimFileSystemTest, MinimumKeepsOnlyWhatIsSynced) {
  Write("/d/synced", "yes");
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  ASSERT_TRUE(Open("/d/synced")->WriteAt(0, "no!").ok());
  Write("/d/unnamed", "x");
  files_.Crash(random_, CrashMode::kPowerLossMinimum);
  EXPECT_EQ(Show(files_, "/d"), "synced=yes ");
}

TEST_F(SimFileSystemTest, ProcessDeathKeepsTheKernelsState) {
  Write("/d/f", "unsynced", /*sync=*/false);
  auto writer = Open("/d/f");
  auto reader = std::move(*files_.OpenRandomAccess("/d/f"));
  auto lock = files_.LockFile("/d/LOCK", "me");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(files_.LockFile("/d/LOCK", "you").status().code(), Code::kBusy);
  EXPECT_THAT(files_.LockFile("/d/LOCK", "you").status().message(), HasSubstr("me"));
  files_.Crash(random_, CrashMode::kProcessDeath);
  EXPECT_EQ(*files_.ReadFile("/d/f"), "unsynced");
  EXPECT_EQ(writer->WriteAt(0, "x").code(), Code::kIoError);
  Bytes out;
  EXPECT_EQ(reader->ReadAt(0, 1, &out).code(), Code::kIoError);
  auto mine = files_.LockFile("/d/LOCK", "you");
  ASSERT_TRUE(mine.ok());
  lock->reset();  // of the dead process: must not release the new one
  EXPECT_EQ(files_.LockFile("/d/LOCK", "third").status().code(), Code::kBusy);
  mine->reset();
  EXPECT_TRUE(files_.LockFile("/d/LOCK", "third").ok());
  // Still unsynced: a power loss now may take it.
  files_.Crash(random_, CrashMode::kPowerLossMinimum);
  EXPECT_EQ(Show(files_, "/d"), "");
}

TEST_F(SimFileSystemTest, NthMatchingOperationFailsOnce) {
  auto file = Open("/d/f");
  files_.Inject({.kinds = KindSet(OpKind::kWrite), .nth = 2});
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_TRUE(file->WriteAt(0, "a").ok());
  const Status status = file->WriteAt(1, "bcde");
  EXPECT_EQ(status.code(), Code::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("/d/f"));
  EXPECT_EQ(*files_.ReadFile("/d/f"), "abc");  // the first half got there
  EXPECT_TRUE(file->WriteAt(1, "bcde").ok());
}

TEST_F(SimFileSystemTest, FaultsForEverByKindAndPath) {
  Write("/d/f", "x");
  Write("/d/g", "y");
  files_.Inject({.kinds = KindSet(OpKind::kRead),
                 .for_ever = true,
                 .path_part = "f",
                 .code = Code::kCorruption});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(files_.ReadFile("/d/f").status().code(), Code::kCorruption);
    EXPECT_TRUE(files_.ReadFile("/d/g").ok());
  }
  files_.ClearFaults();
  EXPECT_TRUE(files_.ReadFile("/d/f").ok());
}

TEST_F(SimFileSystemTest, AFailedSyncLosesWhatItShouldHaveWritten) {
  auto file = Open("/d/f");
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  ASSERT_TRUE(file->WriteAt(0, "data").ok());
  files_.Inject({.kinds = KindSet(OpKind::kSync)});
  EXPECT_EQ(file->Sync().code(), Code::kIoError);
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(*files_.ReadFile("/d/f"), "data");
  files_.Crash(random_, CrashMode::kPowerLossMinimum);
  EXPECT_NE(*files_.ReadFile("/d/f"), "data");
}

TEST_F(SimFileSystemTest, NothingHappensOnceTheMachineIsOff) {
  Write("/d/f", "old");
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  auto file = Open("/d/f");
  files_.PowerOffAt(2);
  EXPECT_TRUE(file->WriteAt(0, "1").ok());
  EXPECT_FALSE(files_.IsOff());
  EXPECT_EQ(file->Sync().code(), Code::kIoError);
  EXPECT_TRUE(files_.IsOff());
  EXPECT_EQ(file->WriteAt(0, "2").code(), Code::kIoError);
  EXPECT_EQ(files_.ReadFile("/d/f").status().code(), Code::kIoError);
  EXPECT_EQ(files_.Unlink("/d/f").code(), Code::kIoError);
  file.reset();
  EXPECT_EQ(States(), (std::set<std::string>{"f=old ", "f=1ld "}));
  files_.Crash(random_, CrashMode::kPowerLoss);
  EXPECT_TRUE(files_.ReadFile("/d/f").ok());
}

TEST_F(SimFileSystemTest, CountsAndTracesOperations) {
  std::vector<OpKind> kinds;
  const uint64_t before = files_.OperationCount();
  files_.SetTrace([&](const SimOperation& operation) { kinds.push_back(operation.kind); });
  Write("/d/f", "x");
  ASSERT_TRUE(files_.Exists("/d/f").ok());
  files_.SetTrace(nullptr);
  EXPECT_THAT(kinds, ElementsAre(OpKind::kCreate, OpKind::kWrite, OpKind::kSync, OpKind::kStat));
  EXPECT_EQ(files_.OperationCount() - before, 3u);
  EXPECT_EQ(files_.OperationCount(KindSet(OpKind::kSync)), 1u);
}

TEST_F(SimFileSystemTest, FullDisk) {
  files_.SetCapacity(10'000);
  Write("/d/a", Bytes(6000, 'a'));
  auto file = Open("/d/b");
  EXPECT_EQ(file->Reserve(4001).code(), Code::kNoSpace);
  EXPECT_TRUE(file->Reserve(3000).ok());
  EXPECT_EQ(files_.Space("/d")->available_bytes, 1000u);
  auto other = Open("/d/c");
  const Status full = other->WriteAt(0, Bytes(1500, 'c'));
  EXPECT_EQ(full.code(), Code::kNoSpace);
  EXPECT_THAT(full.message(), HasSubstr("/d/c"));
  EXPECT_EQ(*files_.FileSize("/d/c"), 1000u);                    // as much as fitted
  EXPECT_TRUE(file->WriteAt(0, Bytes(3000, 'b')).ok());          // into its reservation
  EXPECT_TRUE(Open("/d/a")->WriteAt(0, Bytes(6000, 'x')).ok());  // in place
  // An unlinked file takes space until it is closed.
  ASSERT_TRUE(files_.Unlink("/d/b").ok());
  EXPECT_EQ(files_.Space("/d")->available_bytes, 0u);
  file.reset();
  EXPECT_EQ(files_.Space("/d")->available_bytes, 3000u);
  EXPECT_TRUE(other->WriteAt(1000, Bytes(500, 'c')).ok());
  // Two names of one file take its space once.
  const uint64_t used = files_.UsedBytes();
  ASSERT_TRUE(files_.Link("/d/a", "/d/a2").ok());
  EXPECT_EQ(files_.UsedBytes(), used);
}

TEST_F(SimFileSystemTest, FlippedBitsAreReadAndStay) {
  Write("/d/f", "abc");
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  files_.FlipBits("/d/f", 1, 0x01);
  EXPECT_EQ(*files_.ReadFile("/d/f"), "acc");
  files_.Crash(random_, CrashMode::kPowerLossMinimum);
  EXPECT_EQ(*files_.ReadFile("/d/f"), "acc");
}

TEST_F(SimFileSystemTest, ACloneIsIndependent) {
  Write("/d/f", "1");
  ASSERT_TRUE(files_.Link("/d/f", "/d/g").ok());
  auto copy = files_.Clone();
  Write("/d/f", "2");
  EXPECT_EQ(Show(*copy, "/d"), "f=1 g=1 ");
  auto file = copy->OpenWritable("/d/f", Create::kKeep);
  ASSERT_TRUE((*file)->WriteAt(0, "3").ok());
  EXPECT_EQ(Show(*copy, "/d"), "f=3 g=3 ");  // hard links are kept
  EXPECT_EQ(Show(files_, "/d"), "f=2 g=2 ");
}

TEST_F(SimFileSystemTest, DirectoriesMovedBackAndForthLeakNothing) {
  ASSERT_TRUE(files_.CreateDirectory("/d/in").ok());
  ASSERT_TRUE(files_.SyncDirectory("/d").ok());
  ASSERT_TRUE(files_.Rename("/d/in", "/in").ok());
  ASSERT_TRUE(files_.Rename("/d", "/in/d").ok());  // the durable state still has /d/in
  EXPECT_EQ(files_.Rename("/in", "/in/d/in").code(), Code::kIoError);
  EXPECT_THAT(*files_.List("/in"), UnorderedElementsAre("d"));
}

}  // namespace
}  // namespace kvfs::env::sim
