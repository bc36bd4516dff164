#include "tools/common/paths.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace kvfs::tools {
namespace {

class PathsTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kvfs_paths_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = std::filesystem::canonical(name).string();
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string root_;
};

TEST_F(PathsTest, WithinIsByComponents) {
  EXPECT_TRUE(IsWithin("/a/b", "/a"));
  EXPECT_TRUE(IsWithin("/a", "/a"));
  EXPECT_TRUE(IsWithin("/a", "/"));
  EXPECT_FALSE(IsWithin("/ab", "/a"));
  EXPECT_FALSE(IsWithin("/a", "/a/b"));
}

TEST_F(PathsTest, CanonicalFollowsLinksAboveTheLastComponentOnly) {
  std::filesystem::create_directories(root_ + "/real/dir");
  std::filesystem::create_directory_symlink(root_ + "/real", root_ + "/link");
  std::filesystem::create_directory_symlink(root_ + "/real/dir", root_ + "/real/alias");
  EXPECT_EQ(*CanonicalPath(root_ + "/link/./dir/"), root_ + "/real/dir");
  EXPECT_EQ(*CanonicalPath(root_ + "/link/alias"), root_ + "/real/alias");
  EXPECT_EQ(*ResolvedPath(root_ + "/link/alias"), root_ + "/real/dir");
  EXPECT_EQ(*ResolvedPath(root_ + "/link/missing/more"), root_ + "/real/missing/more");
  EXPECT_EQ(*CanonicalPath("/"), "/");
  EXPECT_FALSE(CanonicalPath("").ok());
}

TEST_F(PathsTest, MakesMissingDirectoriesForTheOwnerAlone) {
  ASSERT_TRUE(MakeDirectories(root_ + "/x/y/z").ok());
  struct stat attr {};
  ASSERT_EQ(stat((root_ + "/x/y/z").c_str(), &attr), 0);
  EXPECT_EQ(attr.st_mode & 0777, 0700u);
  EXPECT_TRUE(MakeDirectories(root_ + "/x/y/z").ok());
}

TEST_F(PathsTest, AFileInTheWayIsNamed) {
  std::ofstream(root_ + "/file") << "x";
  Status status = MakeDirectories(root_ + "/file/dir");
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(root_ + "/file"), std::string::npos);
  EXPECT_EQ(MakeDirectories(root_ + "/file").code(), Code::kInvalidArgument);
}

TEST_F(PathsTest, DefaultDirectoryOfAUser) {
  setenv("XDG_DATA_HOME", "/data", 1);
  EXPECT_EQ(*DefaultDataDirectory(1000), "/data/kvfs");
  unsetenv("XDG_DATA_HOME");
  setenv("HOME", "/home/u", 1);
  EXPECT_EQ(*DefaultDataDirectory(1000), "/home/u/.local/share/kvfs");
  EXPECT_EQ(*DefaultDataDirectory(0), "/var/lib/kvfs");
  unsetenv("HOME");
  EXPECT_FALSE(DefaultDataDirectory(1000).ok());
}

TEST(Paths, EscapedTellsPathsApart) {
  EXPECT_EQ(EscapedPath("/mnt/a-b%"), "mnt-a%2db%25");
  EXPECT_EQ(EscapedPath("/"), "-");
  EXPECT_NE(EscapedPath("/a/b"), EscapedPath("/a-b"));
}

}  // namespace
}  // namespace kvfs::tools
