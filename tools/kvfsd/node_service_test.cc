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
}

}  // namespace
}  // namespace kvfs::tools
