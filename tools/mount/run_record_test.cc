#include "tools/mount/run_record.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tools/common/process.h"

namespace kvfs::tools {
namespace {

class RunRecordTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kvfs_run_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
};

TEST_F(RunRecordTest, SaysWhoServes) {
  RunRecord record{.pid = getpid(), .start_ticks = StartTicks(getpid()), .mountpoint = "/m \"x\""};
  ASSERT_TRUE(WriteRunRecord(directory_, record).ok());
  auto read = ReadRunRecord(directory_);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->mountpoint, record.mountpoint);
  EXPECT_TRUE(read->DaemonLives());
  EXPECT_FALSE(read->SupervisorLives());
  RemoveRunRecord(directory_);
  EXPECT_FALSE(ReadRunRecord(directory_).has_value());
}

TEST_F(RunRecordTest, ALaterProcessOfThatNumberIsNotTheDaemon) {
  RunRecord record{.pid = getpid(), .start_ticks = StartTicks(getpid()) + 1};
  EXPECT_FALSE(record.DaemonLives());
}

TEST_F(RunRecordTest, NonsenseIsNoRecord) {
  for (const char* text : {"", "{", "[]", "{\"pid\":\"x\"}", "{\"pid\":1}"}) {
    std::ofstream(RunRecordPath(directory_)) << text;
    EXPECT_FALSE(ReadRunRecord(directory_).has_value()) << text;
  }
}

}  // namespace
}  // namespace kvfs::tools
