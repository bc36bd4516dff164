#include "tools/common/mounts.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

constexpr std::string_view kInfo =
    "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
    "90 22 0:41 / /mnt/my\\040files rw,relatime shared:3 master:1 - fuse.kvfs /var/lib/kv\\040fs "
    "rw\n"
    "91 22 0:42 / /mnt/other rw - tmpfs tmpfs rw\n"
    "92 91 0:43 / /mnt/other rw,nosuid - fuse.kvfs /data/b rw,user_id=0\n"
    "nonsense\n";

TEST(Mounts, ParsesEscapesAndOptionalFields) {
  auto mounts = ParseMountInfo(kInfo);
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_EQ(mounts[1].mountpoint, "/mnt/my files");
  EXPECT_EQ(mounts[1].source, "/var/lib/kv fs");
  EXPECT_TRUE(mounts[1].is_kvfs());
  EXPECT_EQ(mounts[1].device_minor, 41u);
  EXPECT_FALSE(mounts[0].is_kvfs());
}

TEST(Mounts, FindsTheTopmost) {
  auto mounts = ParseMountInfo(kInfo);
  EXPECT_EQ(MountAt(mounts, "/mnt/other")->source, "/data/b");
  EXPECT_FALSE(MountAt(mounts, "/mnt").has_value());
  EXPECT_EQ(MountOf(mounts, "/mnt/other/x/y")->source, "/data/b");
  EXPECT_EQ(MountOf(mounts, "/mnt/otherwise")->mountpoint, "/");
  EXPECT_EQ(MountOfData(mounts, "/var/lib/kv fs")->mountpoint, "/mnt/my files");
  EXPECT_FALSE(MountOfData(mounts, "/dev/vda1").has_value());
}

TEST(Mounts, ThisMachineHasARoot) { EXPECT_TRUE(MountAt(ReadMounts(), "/").has_value()); }

}  // namespace
}  // namespace kvfs::tools
