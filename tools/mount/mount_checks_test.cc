#include "tools/mount/mount_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace kvfs::tools {
namespace {

using testing::HasSubstr;

class MountChecksTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kvfs_checks_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = std::filesystem::canonical(name).string();
    options_.data = root_ + "/data";
    std::filesystem::create_directory(root_ + "/mnt");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string Refusal(const std::string& mountpoint) {
    auto places = PrepareMount(mountpoint, options_);
    return places.ok() ? "" : places.error().message();
  }

  std::string root_;
  MountOptions options_;
};

TEST_F(MountChecksTest, FindsThePlaces) {
  std::filesystem::create_directory_symlink(root_ + "/mnt", root_ + "/link");
  auto places = PrepareMount(root_ + "/link/", options_);
  ASSERT_TRUE(places.ok()) << places.error().ToString();
  EXPECT_EQ(places->mountpoint, root_ + "/mnt");
  EXPECT_EQ(places->data_directory, root_ + "/data");
  EXPECT_FALSE(std::filesystem::exists(root_ + "/data"));  // checks make nothing
}

TEST_F(MountChecksTest, RefusesABadMountpointAndSaysWhy) {
  EXPECT_THAT(Refusal(root_ + "/none"), HasSubstr("does not exist"));
  std::ofstream(root_ + "/file") << "x";
  EXPECT_THAT(Refusal(root_ + "/file"), HasSubstr("not a directory"));
  std::ofstream(root_ + "/mnt/kept") << "x";
  EXPECT_THAT(Refusal(root_ + "/mnt"), HasSubstr("not empty"));
  options_.nonempty = true;
  EXPECT_EQ(Refusal(root_ + "/mnt"), "");
}

TEST_F(MountChecksTest, RefusesOnePlaceInTheOther) {
  options_.data = root_ + "/mnt/data";
  EXPECT_THAT(Refusal(root_ + "/mnt"), HasSubstr("would hide its own data"));
  options_.data = root_;
  EXPECT_THAT(Refusal(root_ + "/mnt"), HasSubstr("belongs to kvfs alone"));
  options_.data = root_ + "/mnt";
  EXPECT_NE(Refusal(root_ + "/mnt"), "");
}

}  // namespace
}  // namespace kvfs::tools
