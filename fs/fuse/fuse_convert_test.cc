#include "fs/fuse/fuse_convert.h"

#include <gtest/gtest.h>
#include <linux/fs.h>

#include "fs/fuse/libfuse.h"

namespace kvfs::fs {
namespace {

TEST(FuseConvert, AttributesKeepNanosecondsAndLargeNumbers) {
  Attr attr;
  attr.ino = (uint64_t{1} << 53) - 1;
  attr.mode = S_IFREG | 04755;
  attr.nlink = 3;
  attr.size = kMaxFileBytes;
  attr.blocks_512 = 7;
  attr.mtime = {.seconds = -1, .nanos = 999'999'999};
  struct stat out = ToStat(attr);
  EXPECT_EQ(out.st_ino, attr.ino);
  EXPECT_EQ(out.st_mode, static_cast<mode_t>(S_IFREG | 04755));
  EXPECT_EQ(out.st_nlink, 3u);
  EXPECT_EQ(static_cast<uint64_t>(out.st_size), kMaxFileBytes);
  EXPECT_EQ(out.st_blocks, 7);
  EXPECT_EQ(out.st_mtim.tv_sec, -1);
  EXPECT_EQ(out.st_mtim.tv_nsec, 999'999'999);
}

TEST(FuseConvert, SetAttrTakesOnlyWhatTheMaskNames) {
  struct stat attr {};
  attr.st_mode = S_IFREG | 0640;
  attr.st_size = 12;
  attr.st_mtim = {5, 6};
  SetAttrRequest request =
      ToSetAttr(attr, FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW);
  EXPECT_TRUE(request.set_mode);
  EXPECT_EQ(request.mode, 0640u);
  EXPECT_FALSE(request.set_size);
  EXPECT_FALSE(request.set_uid);
  EXPECT_TRUE(request.set_mtime);
  EXPECT_FALSE(request.mtime_now);
  EXPECT_EQ(request.mtime, (TimeSpec{5, 6}));
  EXPECT_TRUE(request.set_atime);
  EXPECT_TRUE(request.atime_now);
}

TEST(FuseConvert, WhatTakesSetIdsAway) {
  struct stat attr {};
  EXPECT_TRUE(ToSetAttr(attr, FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_KILL_SUID).kill_suid_sgid);
  EXPECT_FALSE(ToSetAttr(attr, FUSE_SET_ATTR_SIZE).kill_suid_sgid);
  EXPECT_FALSE(ToSetAttr(attr, FUSE_SET_ATTR_MODE).kill_suid_sgid);
  EXPECT_TRUE(ChangesNothing(0));
  EXPECT_TRUE(ChangesNothing(FUSE_SET_ATTR_KILL_SUID));
  EXPECT_FALSE(ChangesNothing(FUSE_SET_ATTR_GID));
}

TEST(FuseConvert, RenameFlags) {
  EXPECT_EQ(ToRenameMode(0), RenameMode::kReplace);
  EXPECT_EQ(ToRenameMode(RENAME_NOREPLACE), RenameMode::kNoReplace);
  EXPECT_EQ(ToRenameMode(RENAME_EXCHANGE), RenameMode::kExchange);
  EXPECT_FALSE(ToRenameMode(RENAME_WHITEOUT).has_value());
  EXPECT_FALSE(ToRenameMode(RENAME_NOREPLACE | RENAME_EXCHANGE).has_value());
}

TEST(FuseConvert, SpaceIsInBlocks) {
  struct statvfs out =
      ToStatVfs({.block_bytes = 4096, .total_bytes = 40960, .available_bytes = 8193});
  EXPECT_EQ(out.f_blocks, 10u);
  EXPECT_EQ(out.f_bavail, 2u);
  EXPECT_EQ(out.f_namemax, 255u);
}

}  // namespace
}  // namespace kvfs::fs
