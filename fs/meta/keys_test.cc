#include "fs/meta/keys.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kvfs::fs::keys {
namespace {

TEST(KeysTest, ItemsOfOneDirectoryLieInTheOrderOfTheirTags) {
  const std::vector<Bytes> in_order = {
      Self(),           Alive(),        Times(),        Dentry(16, "z"), Dentry(17, "a"),
      Dentry(17, "b"),  Inode(1),       Inode(256),     Inline(1),       Link(1, 9),
      Xattr(1, "user"), Block(1, 2, 3), Block(1, 3, 0), Intent({1, 2}),  Hold(1, 2),
  };
  EXPECT_TRUE(std::is_sorted(in_order.begin(), in_order.end()));
}

TEST(KeysTest, WhatIsMadeIsTakenApart) {
  EXPECT_EQ(HomeOfPk(DirectoryPk(77)), 77u);
  const Bytes dentry = Dentry(99, "name");
  auto parts = ParseDentry(dentry);
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->hash, 99u);
  EXPECT_EQ(parts->name, "name");
  EXPECT_EQ(ParseInode(Inode(5)), 5u);
  EXPECT_EQ(ParseXattrName(Xattr(5, "user.a")), "user.a");
  EXPECT_EQ(ParseBlock(Block(1, 2, 3)), 3u);
  const InodeRef ref{.ino = 5, .home = 6};
  EXPECT_EQ(ParseWorkId(WorkId(ref)), ref);
}

TEST(KeysTest, ForeignBytesAreRefused) {
  EXPECT_FALSE(HomeOfPk("D1234567"));
  EXPECT_FALSE(HomeOfPk("E12345678"));
  EXPECT_FALSE(ParseDentry(""));
  EXPECT_FALSE(ParseDentry(Inode(5)));
  EXPECT_FALSE(ParseDentry(DentryFrom(5)));  // no name
  EXPECT_FALSE(ParseInode(Inode(5) + "x"));
  EXPECT_FALSE(ParseXattrName(XattrPrefix(5)));
  EXPECT_FALSE(ParseBlock(BlockPrefix(5, 6)));
  EXPECT_FALSE(ParseWorkId("short"));
}

TEST(KeysTest, PrefixEndIsJustBehindThePrefix) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff\xff"), "");
  EXPECT_LT(Xattr(5, "\xff\xff"), PrefixEnd(XattrPrefix(5)));
  EXPECT_LE(PrefixEnd(XattrPrefix(5)), XattrPrefix(6));
}

TEST(KeysTest, CookiesAreKeyedAndNeverReserved) {
  const SipHashKey key{.k0 = 1, .k1 = 2};
  const SipHashKey other{.k0 = 1, .k1 = 3};
  EXPECT_NE(NameHash(key, "a"), NameHash(other, "a"));
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t hash = NameHash(key, std::to_string(i));
    EXPECT_GE(hash, kFirstCookie);
    EXPECT_LT(hash, uint64_t{1} << 63);
  }
}

TEST(KeysTest, ADirectoryLiesInItself) {
  EXPECT_EQ(Record({.ino = 5, .home = 5}), Self());
  EXPECT_EQ(Record({.ino = 6, .home = 5}), Inode(6));
}

}  // namespace
}  // namespace kvfs::fs::keys
