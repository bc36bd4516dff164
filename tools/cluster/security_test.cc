#include "tools/cluster/security.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "kvcore/base/bytes.h"
#include "kvcore/base/hash.h"
#include "tests/support/temp_directory.h"

namespace kvfs::tools {
namespace {

class SecurityTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }

  test::TempDirectory directory_;
};

TEST_F(SecurityTest, AKeyFileIsForItsOwnerOnly) {
  const auto text = MakeKeyFile(Path("key"));
  ASSERT_TRUE(text.ok()) << text.status().ToString();
  struct stat attr {};
  ASSERT_EQ(stat(Path("key").c_str(), &attr), 0);
  EXPECT_EQ(attr.st_mode & 0777, 0600u);
  const auto keys = LoadKeyFile(Path("key"));
  ASSERT_TRUE(keys.ok()) << keys.status().ToString();
  EXPECT_EQ(ToHex(AsBytes(keys->public_key)), *text);
  EXPECT_FALSE(MakeKeyFile(Path("key")).ok());  // never over another
  ASSERT_EQ(chmod(Path("key").c_str(), 0640), 0);
  const auto readable = LoadKeyFile(Path("key"));
  EXPECT_EQ(readable.status().code(), Code::kInvalidArgument);
  EXPECT_NE(readable.status().message().find("read by others"), std::string::npos);
}

TEST_F(SecurityTest, WhatIsNoKeyFileIsRefused) {
  EXPECT_FALSE(LoadKeyFile(Path("none")).ok());
  Write("empty", "");
  Write("half", "public " + std::string(64, 'a') + "\n");
  Write("short", "public ab\nsecret cd\n");
  for (const char* name : {"empty", "half", "short"}) {
    ASSERT_EQ(chmod(Path(name).c_str(), 0600), 0);
    EXPECT_EQ(LoadKeyFile(Path(name)).status().code(), Code::kInvalidArgument) << name;
  }
}

TEST(AllowList, NamesNodesAndClients) {
  const std::string one(64, '1');
  const std::string two(64, '2');
  const auto list = ParseAllowList("# ours\n\n1  " + one + "\n\tclient " + two + "  \n");
  ASSERT_TRUE(list.ok()) << list.status().ToString();
  ASSERT_EQ(list->nodes.size(), 1u);
  EXPECT_EQ(list->nodes.begin()->first, 1u);
  ASSERT_EQ(list->allowed.size(), 2u);
  EXPECT_EQ(list->allowed.rbegin()->second, transport::kClientKey);
}

TEST(AllowList, WhatIsWrongIsNamedByItsLine) {
  const std::string key(64, 'a');
  const std::string other(64, 'b');
  for (const std::string& line :
       {std::string("1"), "1 " + key + "0", "1 " + key + " more", "0 " + key, "x " + key,
        "-1 " + key, std::string("1 ") + std::string(64, 'g'), "9223372036854775808 " + key}) {
    const auto list = ParseAllowList("2 " + other + "\n" + line);
    ASSERT_FALSE(list.ok()) << line;
    EXPECT_EQ(list.status().message().rfind("line 2 ", 0), 0u) << list.status().message();
  }
  EXPECT_FALSE(ParseAllowList("1 " + key + "\n1 " + other).ok());
  EXPECT_FALSE(ParseAllowList("1 " + key + "\nclient " + key).ok());
}

TEST_F(SecurityTest, BothFilesOrNone) {
  EXPECT_EQ(LoadSecurity("", "")->keys, nullptr);
  ASSERT_TRUE(MakeKeyFile(Path("key")).ok());
  EXPECT_FALSE(LoadSecurity(Path("key"), "").ok());
  EXPECT_FALSE(LoadSecurity("", Path("allow")).ok());
  Write("allow", "1 nonsense\n");
  const auto bad = LoadSecurity(Path("key"), Path("allow"));
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.status().message().find("allow"), std::string::npos);
  Write("allow", "1 " + std::string(64, 'a') + "\n");
  const auto good = LoadSecurity(Path("key"), Path("allow"));
  ASSERT_TRUE(good.ok());
  EXPECT_NE(good->keys, nullptr);
}

}  // namespace
}  // namespace kvfs::tools
