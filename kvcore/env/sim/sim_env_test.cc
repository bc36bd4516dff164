#include "kvcore/env/sim/sim_env.h"

#include <gtest/gtest.h>

#include <vector>

#include "kvcore/env/sim/sim_world.h"

namespace kvfs::env::sim {
namespace {

class SimEnvTest : public ::testing::Test {
 protected:
  void Listen(size_t machine, NodeId node) {
    world_.machine(machine).env().bus->SetHandler(node,
                                                  [this](Message m) { got_.push_back(m.header); });
  }
  Status Send(const Env& env, NodeId to, Bytes header) {
    return env.bus->Send({.from = 1, .to = to, .header = std::move(header)});
  }
  // What the file holds, or the name of the error.
  static Bytes Read(const Env& env, const std::string& path) {
    auto bytes = env.files->ReadFile(path);
    return bytes.ok() ? *bytes : Bytes(CodeName(bytes.status().code()));
  }

  SimWorld world_{{.seed = 1, .machines = 2}};
  std::vector<Bytes> got_;
};

TEST_F(SimEnvTest, APausedMachineStandsStillAndMissesNothing) {
  Listen(1, 2);
  const Env env = world_.machine(1).env();
  std::vector<int> ran;
  env.scheduler->PostAfter(1000, Priority::kForeground, [&] { ran.push_back(1); });
  env.scheduler->Post(Priority::kForeground, [&] { ran.push_back(2); });
  const auto cancelled =
      env.scheduler->PostAfter(1500, Priority::kBackground, [&] { ran.push_back(3); });
  EXPECT_TRUE(Send(world_.env(), 2, "x").ok());
  world_.machine(1).Pause();
  world_.RunFor(10'000);
  EXPECT_TRUE(ran.empty());
  EXPECT_TRUE(got_.empty());
  EXPECT_TRUE(env.scheduler->Cancel(cancelled));
  EXPECT_FALSE(env.scheduler->Cancel(cancelled));
  const auto late = env.scheduler->PostAfter(0, Priority::kBackground, [&] { ran.push_back(4); });
  world_.RunFor(10'000);
  world_.machine(1).Resume();
  // Due, and not yet run: still to be cancelled.
  EXPECT_TRUE(env.scheduler->Cancel(late));
  world_.RunFor(0);
  EXPECT_EQ(ran, (std::vector<int>{2, 1}));
  EXPECT_EQ(got_, std::vector<Bytes>{"x"});
}

TEST_F(SimEnvTest, TheOtherMachinesGoOnDuringAPause) {
  Listen(1, 2);
  world_.machine(0).Pause();
  EXPECT_TRUE(Send(world_.machine(0).env(), 2, "x").ok());  // what was running still sends
  world_.RunFor(1000);
  EXPECT_EQ(got_, std::vector<Bytes>{"x"});
}

TEST_F(SimEnvTest, ADeadMachineNeitherSendsNorReceivesNorWrites) {
  Listen(0, 1);
  Listen(1, 2);
  const Env dead = world_.machine(0).env();
  bool ran = false;
  dead.scheduler->PostAfter(500, Priority::kForeground, [&] {
    ran = true;
    EXPECT_EQ(Send(dead, 2, "from the grave").code(), Code::kUnavailable);
    EXPECT_EQ(dead.files->CreateDirectory("/late").code(), Code::kIoError);
    EXPECT_EQ(Read(dead, "/f"), CodeName(Code::kIoError));
  });
  EXPECT_TRUE(world_.env().files->WriteFileAtomically("/", "f", "before").ok());
  EXPECT_TRUE(world_.machine(1).env().bus->Send({.from = 2, .to = 1, .header = "late"}).ok());
  world_.machine(0).Kill(world_.random(), CrashMode::kPowerLossMinimum);
  world_.RunFor(1000);
  EXPECT_TRUE(ran);
  EXPECT_TRUE(got_.empty());

  // The next life has the disk and can be reached; what the dead one still does is nothing to it.
  const Env alive = world_.machine(0).env();
  EXPECT_EQ(Read(alive, "/f"), "before");
  EXPECT_FALSE(*alive.files->Exists("/late"));
  Listen(0, 1);
  dead.bus->SetHandler(1, nullptr);
  EXPECT_TRUE(world_.machine(1).env().bus->Send({.from = 2, .to = 1, .header = "hello"}).ok());
  EXPECT_TRUE(Send(alive, 2, "back").ok());
  world_.RunFor(1000);
  EXPECT_EQ(got_.size(), 2u);
}

TEST_F(SimEnvTest, AMachineThatDiesDuringAPauseRunsIntoErrors) {
  const Env env = world_.env();
  bool ran = false;
  world_.machine(0).Pause();
  env.scheduler->Post(Priority::kForeground, [&] { ran = true; });
  world_.RunFor(1000);
  EXPECT_FALSE(ran);
  world_.machine(0).Kill(world_.random(), CrashMode::kProcessDeath);
  world_.RunFor(0);
  EXPECT_TRUE(ran);
  EXPECT_FALSE(world_.machine(0).paused());
}

TEST_F(SimEnvTest, HowMuchOfTheDiskSurvivesDependsOnTheDeath) {
  for (const CrashMode mode : {CrashMode::kProcessDeath, CrashMode::kPowerLossMinimum}) {
    const Env env = world_.env();
    auto file = env.files->OpenWritable("/unsynced", FileSystem::Create::kTruncate);
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE((*file)->WriteAt(0, "x").ok());
    world_.machine(0).Kill(world_.random(), mode);
    EXPECT_EQ((*file)->Sync().code(), Code::kIoError);
    const bool survives = mode == CrashMode::kProcessDeath;
    EXPECT_EQ(Read(world_.env(), "/unsynced"), survives ? "x" : CodeName(Code::kNotFound));
    // The first round's file was never synced either, so the second round loses it.
  }
}

}  // namespace
}  // namespace kvfs::env::sim
