#include "kvcore/env/sim/sim_nemesis.h"

#include <gtest/gtest.h>

#include <set>

namespace kvfs::env::sim {
namespace {

constexpr int kMachines = 3;

// Machines that greet each other all the time; a dead one says and hears nothing.
class Chatter {
 public:
  Chatter(uint64_t seed, FaultPlan plan)
      : world_({.seed = seed, .machines = kMachines, .shuffle = true}),
        nemesis_(&world_, std::move(plan),
                 {.killed = [this](size_t machine) { alive_[machine] = false; },
                  .start = [this](size_t machine) { Boot(machine); },
                  .may_lose_power = [](size_t machine) { return machine != 0; },
                  .lost_power = [this](size_t machine) { EXPECT_FALSE(alive_[machine]); }}) {
    for (size_t i = 0; i < kMachines; ++i) {
      Boot(i);
    }
  }

  SimWorld& world() { return world_; }
  SimNemesis& nemesis() { return nemesis_; }
  void Forget() { heard_.clear(); }
  // Pairs (from, to) between which something has passed.
  const std::set<std::pair<NodeId, NodeId>>& heard() const { return heard_; }
  bool alive(size_t machine) const { return alive_[machine]; }

 private:
  void Boot(size_t machine) {
    EXPECT_FALSE(alive_[machine]);
    alive_[machine] = true;
    const Env env = world_.machine(machine).env();
    env.bus->SetHandler(machine + 1, [this](Message m) { heard_.emplace(m.from, m.to); });
    Greet(machine, env);
  }
  void Greet(size_t machine, const Env& env) {
    for (NodeId to = 1; to <= kMachines; ++to) {
      if (!env.bus->Send({.from = machine + 1, .to = to, .header = "hello"}).ok()) {
        break;  // of a past life, or nobody is there yet
      }
    }
    env.scheduler->PostAfter(10'000, Priority::kForeground,
                             [this, machine, env] { Greet(machine, env); });
  }

  SimWorld world_;
  bool alive_[kMachines] = {};
  std::set<std::pair<NodeId, NodeId>> heard_;
  SimNemesis nemesis_;
};

FaultPlan DrawPlan(uint64_t seed) {
  SimRandom random(seed);
  FaultBounds bounds;
  bounds.kinds.push_back(FaultKind::kPowerLoss);
  bounds.kinds.push_back(FaultKind::kBlackout);
  return DrawFaultPlan(bounds, random);
}

TEST(SimNemesisTest, TheSameSeedIsTheSameStory) {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Chatter once(seed, DrawPlan(seed));
    Chatter again(seed, DrawPlan(seed));
    for (Chatter* chatter : {&once, &again}) {
      chatter->nemesis().Start();
      chatter->world().RunFor(5'000'000);
    }
    EXPECT_EQ(once.world().trace_hash(), again.world().trace_hash()) << "seed " << seed;
    EXPECT_EQ(once.nemesis().log(), again.nemesis().log());
    hashes.insert(once.world().trace_hash());
  }
  EXPECT_EQ(hashes.size(), 20u);
}

TEST(SimNemesisTest, TheTraceTellsWhatWasSentAndWhen) {
  const auto run = [](const Bytes& header, int64_t micros) {
    SimWorld world;
    world.bus().SetHandler(1, [](Message) {});
    world.RunFor(micros);
    EXPECT_TRUE(world.bus().Send({.from = 1, .to = 1, .header = header}).ok());
    world.RunFor(1000);
    return world.trace_hash();
  };
  EXPECT_EQ(run("a", 5), run("a", 5));
  EXPECT_NE(run("a", 5), run("b", 5));
  EXPECT_NE(run("a", 5), run("a", 6));
}

TEST(SimNemesisTest, EveryKindHappensAndQuietEndsThemAll) {
  int seen[kFaultKindCount] = {};
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Chatter chatter(seed, DrawPlan(seed));
    chatter.nemesis().Start();
    chatter.world().RunFor(20'000'000);
    for (int kind = 0; kind < kFaultKindCount; ++kind) {
      seen[kind] += chatter.nemesis().Count(static_cast<FaultKind>(kind));
    }
    chatter.nemesis().Quieten();
    chatter.world().RunFor(1'000'000);  // what is late arrives
    chatter.Forget();
    chatter.world().RunFor(50'000);
    EXPECT_EQ(chatter.heard().size(), size_t{kMachines * kMachines}) << "seed " << seed;
    for (size_t i = 0; i < kMachines; ++i) {
      EXPECT_TRUE(chatter.alive(i));
      EXPECT_FALSE(chatter.world().machine(i).paused());
    }
    const size_t lines = chatter.nemesis().log().size();
    chatter.world().RunFor(20'000'000);
    EXPECT_EQ(chatter.nemesis().log().size(), lines) << "seed " << seed;
  }
  for (int kind = 0; kind < kFaultKindCount; ++kind) {
    EXPECT_GT(seen[kind], 20) << FaultKindName(static_cast<FaultKind>(kind));
  }
}

}  // namespace
}  // namespace kvfs::env::sim
