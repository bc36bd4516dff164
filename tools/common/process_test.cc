#include "tools/common/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace kvfs::tools {
namespace {

TEST(Process, StartTicksNameAProcess) {
  EXPECT_GT(StartTicks(getpid()), 0u);
  EXPECT_EQ(StartTicks(getpid()), StartTicks(getpid()));
  EXPECT_EQ(StartTicks(1 << 30), 0u);
}

TEST(Process, FindsWhoHoldsAFileOpen) {
  char name[] = "/tmp/kvfs_holders_XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::string root = std::filesystem::canonical(name).string();
  EXPECT_TRUE(FindHolders(root, 10).empty());
  {
    std::ofstream file(root + "/held");
    auto holders = FindHolders(root, 10);
    ASSERT_EQ(holders.size(), 1u);
    EXPECT_EQ(holders[0].pid, getpid());
    EXPECT_EQ(holders[0].what, "file held");
    EXPECT_FALSE(holders[0].command.empty());
  }
  std::filesystem::remove_all(root);
}

TEST(Process, RunsACommandAndKeepsItsWords) {
  Outcome outcome = RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.output, "out\nerr\n");
  EXPECT_EQ(RunCommand({"/nonexistent/command"}).exit_code, -1);
}

}  // namespace
}  // namespace kvfs::tools
