// What one mount sees of the other's changes, and what its kernel is told of them.
#include <gtest/gtest.h>

#include "fs/vfs/two_mounts_test_support.h"

namespace kvfs::fs {
namespace {

TEST(VfsForeign, TheKernelIsToldOfNamesAndAttributes) {
  TwoMounts mounts;
  const Ino ino = mounts.MakeFile("a", "content");
  mounts[0].kernel.Clear();
  mounts[1].kernel.Clear();
  ASSERT_TRUE(
      mounts.Await(mounts[0]->Rename(kRootIno, "a", kRootIno, "b", RenameMode::kReplace)).ok());
  mounts.Advance(10'000);
  EXPECT_TRUE(mounts[1].kernel.names.contains({kRootIno, "a"}));
  EXPECT_TRUE(mounts[1].kernel.names.contains({kRootIno, "b"}));
  EXPECT_TRUE(mounts[1].kernel.attributes.contains(kRootIno));
  SetAttrRequest chmod;
  chmod.set_mode = true;
  chmod.mode = 0600;
  mounts[1].kernel.Clear();
  ASSERT_TRUE(mounts.Await(mounts[0]->SetAttr(ino, chmod, mounts.who)).ok());
  mounts.Advance(10'000);
  EXPECT_TRUE(mounts[1].kernel.attributes.contains(ino));
  EXPECT_TRUE(mounts[0].kernel.names.empty());
  EXPECT_TRUE(mounts[0].kernel.attributes.empty()) << "who did it knows";
}

TEST(VfsForeign, WhatTheKernelDoesNotKnowItIsNotToldOf) {
  TwoMounts mounts;
  auto dir = mounts.Await(mounts[0]->MakeDirectory(kRootIno, "dir", 0755, mounts.who));
  ASSERT_TRUE(dir.ok());
  mounts.Advance(10'000);
  mounts[1].kernel.Clear();
  ASSERT_TRUE(
      mounts.Await(mounts[0]->MakeNode(dir->attr.ino, "x", S_IFREG | 0644, 0, mounts.who)).ok());
  mounts.Advance(10'000);
  EXPECT_TRUE(mounts[1].kernel.names.empty());
  EXPECT_TRUE(mounts[1].kernel.attributes.empty());
}

TEST(VfsForeign, AnOpenFileFollowsWhatTheOtherPublishes) {
  TwoMounts mounts;
  for (const uint64_t size : {uint64_t{10}, uint64_t{5'000}, uint64_t{400'000}}) {
    const Bytes old_content(size, 'o');
    const Bytes new_content(size + 1, 'n');
    const Ino ino = mounts.MakeFile("f" + std::to_string(size), old_content);
    const uint64_t reader = mounts.Open(1, ino);
    ASSERT_EQ(mounts.Read(1, ino, reader), old_content);
    mounts[1].kernel.Clear();
    const uint64_t writer = mounts.Open(0, ino);
    ASSERT_TRUE(mounts.Write(0, ino, writer, 0, new_content));
    ASSERT_TRUE(mounts.Flush(0, ino, writer));
    mounts.Advance(10'000);
    EXPECT_TRUE(mounts[1].kernel.pages.contains(ino));
    EXPECT_EQ(mounts.Read(1, ino, reader), new_content);
    EXPECT_EQ(mounts.Await(mounts[1]->GetAttr(ino))->size, size + 1);
  }
}

// What is too much to be named is looked at all the same.
TEST(VfsForeign, AnOpenFileFollowsAlsoWhereOnlyThatMuchIsTold) {
  using Told = testing::TellingClient::Told;
  for (const Told told : {Told::kPks, Told::kThatThereIsSomething}) {
    TwoMounts mounts;
    const Ino ino = mounts.MakeFile("f", "old");
    const uint64_t reader = mounts.Open(1, ino);
    ASSERT_EQ(mounts.Read(1, ino, reader), "old");
    mounts[1].client.SetTold(told);
    mounts[1].kernel.Clear();
    const uint64_t writer = mounts.Open(0, ino);
    ASSERT_TRUE(mounts.Write(0, ino, writer, 0, "new one"));
    ASSERT_TRUE(mounts.Flush(0, ino, writer));
    mounts.Advance(10'000);
    EXPECT_TRUE(mounts[1].kernel.pages.contains(ino));
    EXPECT_EQ(mounts.Read(1, ino, reader), "new one");
  }
}

// Close-to-open does not depend on being told.
TEST(VfsForeign, AnOpenSeesTheLastCloseThoughTheFileIsOpenAlready) {
  TwoMounts mounts;
  mounts[1].client.SetDeaf(true);
  const Ino ino = mounts.MakeFile("f", "old");
  const uint64_t early = mounts.Open(1, ino);
  ASSERT_EQ(mounts.Read(1, ino, early), "old");
  const uint64_t writer = mounts.Open(0, ino);
  ASSERT_TRUE(mounts.Write(0, ino, writer, 0, "new one"));
  ASSERT_TRUE(mounts.Flush(0, ino, writer));
  mounts.Advance(10'000);
  EXPECT_EQ(mounts.Read(1, ino, early), "old") << "nobody has told it";
  const uint64_t late = mounts.Open(1, ino);
  EXPECT_EQ(mounts.Read(1, ino, late), "new one");
}

TEST(VfsForeign, BuffersStayOverWhatTheOtherPublishes) {
  TwoMounts mounts;
  const Ino ino = mounts.MakeFile("f", "0123456789");
  const uint64_t mine = mounts.Open(1, ino);
  ASSERT_TRUE(mounts.Write(1, ino, mine, 0, "AB"));
  mounts[1].kernel.Clear();
  const uint64_t theirs = mounts.Open(0, ino);
  ASSERT_TRUE(mounts.Write(0, ino, theirs, 8, "yz"));
  ASSERT_TRUE(mounts.Flush(0, ino, theirs));
  mounts.Advance(10'000);
  EXPECT_FALSE(mounts[1].kernel.pages.contains(ino));
  EXPECT_EQ(mounts.Read(1, ino, mine), "AB234567yz");
  ASSERT_TRUE(mounts.Flush(1, ino, mine));
  mounts.Advance(10'000);
  EXPECT_EQ(mounts.Read(0, ino, theirs), "AB234567yz");
}

// Blocks are added to an overlay, and replaced in it, by whoever writes; the record changes little.
TEST(VfsForeign, OverlayBlocksOfTheOtherAreSeen) {
  TwoMounts mounts;
  const Ino ino = mounts.MakeFile("f", Bytes(300'000, 'a'));
  const uint64_t one = mounts.Open(0, ino);
  const uint64_t two = mounts.Open(1, ino);
  char letter = 'A';
  for (const uint64_t at : {8192u, 8192u, 16384u, 20480u, 8192u, 12288u, 12288u}) {
    const size_t writer = letter % 2;
    const Bytes block(4096, letter++);
    ASSERT_TRUE(mounts.Write(writer, ino, writer == 0 ? one : two, at, block));
    ASSERT_TRUE(mounts.Flush(writer, ino, writer == 0 ? one : two));
    mounts.Advance(10'000);
    EXPECT_EQ(mounts.Read(0, ino, one).substr(at, 4096), block) << letter;
    EXPECT_EQ(mounts.Read(1, ino, two).substr(at, 4096), block) << letter;
  }
}

TEST(VfsForeign, AFileDeletedByTheOtherIsStale) {
  TwoMounts mounts;
  const Ino ino = mounts.MakeFile("f", "content");
  ASSERT_TRUE(mounts.Await(mounts[0]->Unlink(kRootIno, "f")).ok());
  mounts.Advance(200'000'000);
  EXPECT_EQ(mounts.Await(mounts[1]->Open(ino, O_RDONLY)).error(), Errno(ESTALE));
}

}  // namespace
}  // namespace kvfs::fs
