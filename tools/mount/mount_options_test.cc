#include "tools/mount/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

MountOptions Parsed(std::string_view list) {
  MountOptions options;
  Status status = ParseMountOptions(list, &options);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return options;
}

std::string Refusal(std::string_view list) {
  MountOptions options;
  Status status = ParseMountOptions(list, &options);
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << list;
  return status.message();
}

TEST(MountOptions, TakesOursAndTheKernels) {
  MountOptions options = Parsed(
      "ro,noexec,data=/d,capacity=10G,memory=1G,writeback,threads=9,"
      "attr_timeout=0.5,cache_readdir,nonempty,allow_other");
  EXPECT_TRUE(options.read_only);
  EXPECT_THAT(options.kernel, testing::ElementsAre("noexec"));
  EXPECT_EQ(options.data, "/d");
  EXPECT_EQ(options.capacity_bytes, uint64_t{10} << 30);
  EXPECT_EQ(options.memory_bytes, uint64_t{1} << 30);
  EXPECT_TRUE(options.fuse.writeback);
  EXPECT_TRUE(options.fuse.cache_readdir);
  EXPECT_EQ(options.fuse.threads, 9u);
  EXPECT_EQ(options.fuse.attr_seconds, 0.5);
  EXPECT_TRUE(options.nonempty);
  EXPECT_TRUE(options.allow_other);
}

TEST(MountOptions, ClusterAndKeys) {
  const MountOptions options = Parsed("cluster=home,key=/etc/kvfs/key,allow=/etc/kvfs/allow");
  EXPECT_EQ(options.cluster, "home");
  EXPECT_EQ(options.key_file, "/etc/kvfs/key");
  EXPECT_EQ(options.allow_file, "/etc/kvfs/allow");
  EXPECT_THAT(Refusal("key="), HasSubstr("key="));
}

TEST(MountOptions, NoatimeIsForTheKernelAndForUs) {
  MountOptions options = Parsed("noatime");
  EXPECT_TRUE(options.no_atime);
  EXPECT_THAT(options.kernel, testing::ElementsAre("noatime"));
}

TEST(MountOptions, ALaterWordWins) {
  MountOptions options = Parsed("ro,rw,memory=1G");
  EXPECT_FALSE(options.read_only);
  EXPECT_TRUE(ParseMountOptions("memory=2G", &options).ok());
  EXPECT_EQ(options.memory_bytes, uint64_t{2} << 30);
}

TEST(MountOptions, IgnoresWhatFstabSaysToOthers) {
  MountOptions options = Parsed("defaults,nofail,_netdev,x-systemd.automount,relatime,,");
  EXPECT_TRUE(options.kernel.empty());
}

TEST(MountOptions, NamesTheWordItDoesNotKnow) {
  EXPECT_THAT(Refusal("ro,frobnicate"), HasSubstr("'frobnicate'"));
  EXPECT_THAT(Refusal("speed=9"), HasSubstr("'speed=9'"));
  EXPECT_THAT(Refusal("capacity=lots"), HasSubstr("lots"));
  EXPECT_THAT(Refusal("threads=0"), HasSubstr("threads=0"));
  EXPECT_THAT(Refusal("attr_timeout=-1"), HasSubstr("attr_timeout=-1"));
  EXPECT_THAT(Refusal("data="), HasSubstr("data="));
  EXPECT_THAT(Refusal("lock_lease=2"), HasSubstr("lock_lease=2"));
  EXPECT_THAT(Refusal("lock_lease=3601"), HasSubstr("3600"));
}

TEST(MountOptions, HowLongLocksOutliveAMount) {
  EXPECT_EQ(MountOptions().lock_lease_micros, 15'000'000);
  EXPECT_EQ(Parsed("lock_lease=4.5").lock_lease_micros, 4'500'000);
}

TEST(MountOptions, Bounds) {
  MountOptions options;
  EXPECT_TRUE(CheckMountOptions(options).ok());
  options.memory_bytes = 1;
  EXPECT_FALSE(CheckMountOptions(options).ok());
  options = {};
  options.capacity_bytes = 1;
  EXPECT_FALSE(CheckMountOptions(options).ok());
}

TEST(MountOptions, RootMountsForEverybody) {
  MountOptions options = Parsed("nosuid");
  EXPECT_THAT(LibfuseOptions(options, true), Contains("allow_other"));
  // The last word counts for the kernel.
  EXPECT_EQ(LibfuseOptions(options, true).back(), "nosuid");
  EXPECT_THAT(LibfuseOptions(options, false), Not(Contains("allow_other")));
  EXPECT_THAT(LibfuseOptions(options, false), Contains("default_permissions"));
  EXPECT_THAT(LibfuseOptions(Parsed("ro"), false), Contains("ro"));
}

TEST(MountOptions, MemoryIsNotGivenOutTwice) {
  for (uint64_t total : {uint64_t{64} << 20, uint64_t{512} << 20, uint64_t{1} << 40}) {
    MemoryPlan plan = DivideMemory(total);
    EXPECT_LE(plan.store + plan.write_buffer + plan.chunk_cache, total);
  }
}

TEST(MountOptions, OfAClusterTheKernelKeepsLittle) {
  MountOptions options;
  UsePeers({{0, "127.0.0.1:7101"}}, &options);
  ASSERT_TRUE(ParseMountOptions("attr_timeout=5", &options).ok());
  EXPECT_EQ(options.fuse.entry_seconds, 1);
  EXPECT_EQ(options.fuse.attr_seconds, 5);
  EXPECT_EQ(options.fuse.negative_seconds, 0);
  EXPECT_TRUE(CheckMountOptions(options).ok());
  for (const char* list : {"writeback", "cache_readdir", "capacity=1G"}) {
    MountOptions wrong = options;
    ASSERT_TRUE(ParseMountOptions(list, &wrong).ok());
    EXPECT_EQ(CheckMountOptions(wrong).code(), Code::kInvalidArgument) << list;
  }
}

}  // namespace
}  // namespace kvfs::tools
