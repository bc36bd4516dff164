#include "tools/mount/launcher.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace kvfs::tools {
namespace {

class LauncherTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kvfs_launch_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Log() const {
    std::ifstream in(directory_ + "/log");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Status Run(const Server& server) {
    return Launch(server, [this](const std::string& line) {
      std::ofstream(directory_ + "/log", std::ios::app) << line << "\n";
    });
  }
  bool LogSays(const std::string& text) {
    for (int i = 0; i < 1000 && Log().find(text) == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return Log().find(text) != std::string::npos;
  }

  std::string directory_;
};

TEST_F(LauncherTest, ReturnsWhenTheServerIsReady) {
  Status status = Run([](ReadyReport* report, bool) {
    report->Ready();
    return 0;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(LauncherTest, TellsWhyItFailed) {
  Status status = Run([](ReadyReport* report, bool) {
    report->Failed("the reason");
    return 1;
  });
  EXPECT_EQ(status.message(), "the reason");
}

TEST_F(LauncherTest, AServerThatDiesEarlyIsAnErrorAndNotStartedAgain) {
  Status status = Run([this](ReadyReport*, bool) {
    std::ofstream(directory_ + "/starts", std::ios::app) << "x";
    raise(SIGKILL);
    return 0;
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/starts"), 1u);
}

TEST_F(LauncherTest, ACrashedServerIsStartedAgain) {
  Status status = Run([this](ReadyReport* report, bool again) {
    report->Ready();
    if (!again) {
      raise(SIGKILL);
    }
    std::ofstream(directory_ + "/log", std::ios::app) << "served again\n";
    return 0;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(LogSays("served again"));
  EXPECT_TRUE(LogSays("killed by signal 9"));
}

TEST_F(LauncherTest, AServerThatCannotStartAgainIsTriedUntilItCan) {
  Status status = Run([this](ReadyReport* report, bool again) {
    std::ofstream(directory_ + "/starts", std::ios::app) << "x";
    if (again && std::filesystem::file_size(directory_ + "/starts") < 4) {
      report->Failed("not yet");
      return 1;
    }
    report->Ready();
    if (!again) {
      raise(SIGKILL);
    }
    std::ofstream(directory_ + "/log", std::ios::app) << "served again\n";
    return 0;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(LogSays("served again")) << Log();
  EXPECT_TRUE(LogSays("could not start; another start in 400 ms")) << Log();
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/starts"), 4u);
}

TEST_F(LauncherTest, OneThatCannotHealIsNotStartedAgain) {
  Status status = Run([this](ReadyReport* report, bool again) {
    std::ofstream(directory_ + "/starts", std::ios::app) << "x";
    if (again) {
      return kServerCannotHeal;
    }
    report->Ready();
    return kServerStartAgain;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(LogSays("not started again")) << Log();
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/starts"), 2u);
}

}  // namespace
}  // namespace kvfs::tools
