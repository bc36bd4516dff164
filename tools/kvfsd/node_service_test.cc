#include "tools/kvfsd/node_service.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

NodeServiceOptions Good() {
  NodeServiceOptions options;
  options.data = "/nowhere";
  options.node = 2;
  options.members = {{1, "127.0.0.1:1"}, {2, "127.0.0.1:2"}};
  return options;
}

TEST(NodeServiceOptions, AreChecked) {
  EXPECT_TRUE(CheckNodeServiceOptions(Good()).ok());
  const auto refuses = [](auto change) {
    NodeServiceOptions options = Good();
    change(&options);
    return CheckNodeServiceOptions(options).code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->node = 3; }));
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->replicas = 0; }));
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->replicas = 17; }));
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->memory_bytes = 1; }));
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->capacity_bytes = 1; }));
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->listen = "here"; }));
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->cluster = ""; }));
  EXPECT_TRUE(refuses([](NodeServiceOptions* options) { options->node = 0; }));
}

TEST(NodeServiceOptions, WhatIsSaidTwiceMustBeTheSame) {
  NodeServiceOptions options = Good();
  options.members[1].zone = "a";
  options.members[1].weight = 3;
  options.zone = "a";
  options.weight = 3;
  EXPECT_TRUE(CheckNodeServiceOptions(options).ok());
  options.weight = 2;
  EXPECT_NE(
      CheckNodeServiceOptions(options).message().find("--weight 2: the list of members says 3"),
      std::string::npos);
  options.weight.reset();
  options.zone = "b";
  EXPECT_NE(CheckNodeServiceOptions(options).message().find("--zone b"), std::string::npos);
  options.zone = "a";
  options.datacentre = "east";
  EXPECT_NE(CheckNodeServiceOptions(options).message().find("says nothing"), std::string::npos);
}

TEST(NodeServiceOptions, WhoJoinsSaysWhereItIsReached) {
  NodeServiceOptions options;
  options.data = "/nowhere";
  options.node = 4;
  options.join = {{0, "127.0.0.1:1"}};
  EXPECT_FALSE(CheckNodeServiceOptions(options).ok());
  options.listen = "0.0.0.0:4";
  EXPECT_FALSE(CheckNodeServiceOptions(options).ok());
  options.listen = "127.0.0.1:4";
  options.zone = "a";
  EXPECT_TRUE(CheckNodeServiceOptions(options).ok()) << CheckNodeServiceOptions(options).message();
  options.zone = "a b";
  EXPECT_FALSE(CheckNodeServiceOptions(options).ok());
  options.zone = "a";
  options.weight = 2;
  EXPECT_FALSE(CheckNodeServiceOptions(options).ok());
  options.weight.reset();
  options.members = {{4, "127.0.0.1:4"}};
  EXPECT_FALSE(CheckNodeServiceOptions(options).ok());
}

}  // namespace
}  // namespace kvfs::tools
