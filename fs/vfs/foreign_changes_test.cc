#include "fs/vfs/foreign_changes.h"

#include <gtest/gtest.h>

#include "fs/meta/keys.h"

namespace kvfs::fs {
namespace {

constexpr Ino kHome = 7;
constexpr Ino kFile = 70;

ForeignChanges Of(std::vector<Bytes> cks) {
  return Understand({{.pk = keys::DirectoryPk(kHome), .cks = std::move(cks)}});
}

TEST(ForeignChanges, KeysAreWhatTheyMean) {
  const ForeignChanges created =
      Of({keys::Dentry(99, "name"), keys::Inode(kFile), keys::Times(), keys::Alive()});
  EXPECT_EQ(created.names, (std::set<std::pair<Ino, Bytes>>{{kHome, "name"}}));
  EXPECT_EQ(created.attributes, std::set<Ino>{kHome});
  EXPECT_EQ(created.contents, std::set<Ino>{kFile});
  EXPECT_TRUE(created.homes.empty());
  EXPECT_FALSE(created.everything);

  EXPECT_EQ(Of({keys::Self()}).attributes, std::set<Ino>{kHome});
  EXPECT_EQ(Of({keys::Inline(kFile)}).contents, std::set<Ino>{kFile});
  EXPECT_EQ(Of({keys::Block(kFile, 3, 4)}).contents, std::set<Ino>{kFile});
  EXPECT_EQ(Of({keys::Link(kFile, 3)}).attributes, std::set<Ino>{kFile});
  EXPECT_EQ(Of({keys::Xattr(kFile, "user.a")}).attributes, std::set<Ino>{kFile});
  EXPECT_EQ(Of({keys::Lock(kFile)}).locks, std::set<Ino>{kFile});
  EXPECT_TRUE(Of({keys::Lock(kFile)}).attributes.empty());
  const ForeignChanges both = Of({keys::Xattr(kFile, "user.a"), keys::Inode(kFile)});
  EXPECT_TRUE(both.attributes.empty()) << "told once";
  EXPECT_EQ(both.contents, std::set<Ino>{kFile});
}

TEST(ForeignChanges, AllOfAPkAndEverything) {
  EXPECT_EQ(Of({}).homes, std::set<Ino>{kHome});
  EXPECT_TRUE(Understand({client::Change{}}).everything);
}

TEST(ForeignChanges, WhatIsGatheredIsBounded) {
  ForeignChanges all;
  EXPECT_TRUE(all.empty());
  for (Ino ino = 1; ino <= 10; ++ino) {
    Add(&all, Of({keys::Inode(ino), keys::Inode(1)}), 10);
    EXPECT_EQ(all.contents.size(), ino);
  }
  EXPECT_FALSE(all.everything);
  Add(&all, Of({keys::Self()}), 10);
  EXPECT_TRUE(all.everything);
  EXPECT_EQ(all.size(), 0u);
  EXPECT_FALSE(all.empty());
}

TEST(ForeignChanges, WhatIsNotTheFilesystemsIsLeftOut) {
  const ForeignChanges nothing = Understand(
      {{.pk = "cluster", .cks = {"\x01inodes"}},
       {.pk = keys::DirectoryPk(kHome), .cks = {"\x30intent", "\x7f", "\x20", "\x10short"}}});
  EXPECT_TRUE(nothing.names.empty());
  EXPECT_TRUE(nothing.attributes.empty());
  EXPECT_TRUE(nothing.contents.empty());
  EXPECT_TRUE(nothing.homes.empty());
}

}  // namespace
}  // namespace kvfs::fs
