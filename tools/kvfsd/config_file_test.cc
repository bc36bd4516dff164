#include "tools/kvfsd/config_file.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

const std::vector<std::string> kKnown = {"data", "node-id", "members", "memory", "insecure"};

Result<Config> Parse(std::string_view text) { return ParseConfig(text, "node.toml", kKnown); }

TEST(ConfigFile, SaysWhatACommandLineWould) {
  const auto config = Parse(R"(
# a node
data = "/srv/kvfs"
node-id = 2
insecure = true
memory = "1G"

[[members]]
node = 1
address = "a:7101"
[[members]]
node = 2
address = "b:7101"
zone = "rack-2"
weight = 3
)");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->at("data"), "/srv/kvfs");
  EXPECT_EQ(config->at("node-id"), "2");
  EXPECT_EQ(config->at("insecure"), "true");
  EXPECT_EQ(config->at("members"), "1=a:7101,2=b:7101/weight=3/zone=rack-2");
  EXPECT_EQ(Parse("members = ['1=a:1', '2=b:2']")->at("members"), "1=a:1,2=b:2");
  EXPECT_TRUE(Parse("")->empty());
}

TEST(ConfigFile, WhatIsWrongIsNamedByFileLineAndKey) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"data = '/a'\nmemry = '1G'\n", "node.toml:2: 'memry' is not known here; is 'memory' meant?"},
      {"\n\ndata = \n", "node.toml:3: "},
      {"data = 1.5\n", "node.toml:1: 'data' is neither text"},
      {"data = '/a'\ndata = '/b'\n", "node.toml:2: "},
      {"[server]\nport = 1\n", "node.toml:1: 'server' is not known here"},
      {"[[members]]\nnode = 1\nadress = 'a:1'\n",
       "node.toml:3: 'adress' is not known here; is 'address' meant?"},
      {"[[members]]\nnode = 1\n", "node.toml:1: one of 'members' lacks 'node' or 'address'"},
      {"members = [[1]]\n", "node.toml:1: 'members' is a list of something else"},
  };
  for (const auto& [text, says] : cases) {
    const auto config = Parse(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_EQ(config.status().code(), Code::kInvalidArgument);
    EXPECT_EQ(config.status().message().rfind(says, 0), 0u) << config.status().message();
  }
}

TEST(ConfigFile, AFileThatIsNotThere) {
  const auto config = LoadConfig("/nowhere/node.toml", kKnown);
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.status().message().find("/nowhere/node.toml"), std::string::npos);
}

}  // namespace
}  // namespace kvfs::tools
