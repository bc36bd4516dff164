// SimNemesis: makes things go wrong in a SimWorld, by a plan drawn from a seed, until
// it is told to be quiet. What it did is kept as text, for whoever looks at a failing
// seed.
//
// The nodes on the machines are the test's: it is told when a machine was killed, and
// when it is to start again. Owned by the test, destroyed before the world.
// Single-threaded.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kvcore/env/sim/sim_world.h"

namespace kvfs::env::sim {

enum class FaultKind : uint8_t {
  kPartition,  // no message passes between two groups of nodes; some nodes may be in both
  kOneWayCut,  // none passes from one node to another, or from a node at all, or to it
  kClog,       // all from one node to another are late, together
  kPause,      // a machine stands still
  kKill,       // a process dies and starts again
  kClockJump,  // a wall clock is set, or goes too fast or too slow
  kPowerLoss,  // a machine loses power, with what was not synced, and starts again
  kBlackout,   // all mortal machines do so at once
};
inline constexpr int kFaultKindCount = 8;
std::string_view FaultKindName(FaultKind kind);

struct FaultPlan {
  LinkOptions link;               // of every link, until the quiet
  std::vector<FaultKind> kinds;   // those that happen
  int64_t mean_gap_micros = 0;    // between the beginnings of two faults
  int64_t mean_fault_micros = 0;  // how long one lasts
  size_t mortal_machines = 0;     // those that die are among the first so many; 0: among all

  std::string ToString() const;
};

// What a plan may hold at the most; a drawn one leaves out some of it.
struct FaultBounds {
  double max_loss = 0.15;
  double max_duplication = 0.15;
  double max_lateness = 0.2;
  int64_t max_late_micros = 300'000;
  int64_t min_gap_micros = 100'000;
  int64_t max_gap_micros = 3'000'000;
  int64_t max_fault_micros = 3'000'000;
  std::vector<FaultKind> kinds = {FaultKind::kPartition, FaultKind::kOneWayCut,
                                  FaultKind::kClog,      FaultKind::kPause,
                                  FaultKind::kKill,      FaultKind::kClockJump};
};
FaultPlan DrawFaultPlan(const FaultBounds& bounds, Random& random);

class SimNemesis {
 public:
  struct Hooks {
    std::function<void(size_t machine)> killed;  // after SimEnv::Kill
    std::function<void(size_t machine)> start;
    // Where the plan has losses of power. Not every machine may have one at any time;
    std::function<bool(size_t machine)> may_lose_power;
    // after SimEnv::Kill and `killed`. A machine that is dead already may lose power too.
    std::function<void(size_t machine)> lost_power;
  };

  // Without hooks the plan must hold no kills.
  SimNemesis(SimWorld* world, FaultPlan plan, Hooks hooks = {});
  ~SimNemesis();
  SimNemesis(const SimNemesis&) = delete;
  SimNemesis& operator=(const SimNemesis&) = delete;

  void Start();
  // Ends every fault at once and begins no other: links mended and prompt, clocks running at their
  // right speed, machines awake and started.
  void Quieten();

  const std::vector<std::string>& log() const { return log_; }
  // How many faults of a kind there were.
  int Count(FaultKind kind) const { return counts_[static_cast<size_t>(kind)]; }

 private:
  struct Fault {
    Scheduler::TimerId timer = 0;
    std::function<void()> end;
  };

  void PlanNext();
  void Begin(FaultKind kind);
  void BeginPartition();
  void BeginOneWayCut();
  void BeginClog();
  void BeginPause();
  void BeginKill();
  void BeginPowerLoss();
  void BeginBlackout();
  // Ends the machine's life, and starts it again later unless that is planned already.
  void Kill(size_t machine, CrashMode mode);
  // Machines from 0 on that may die.
  size_t MortalMachines() const;
  CrashMode DrawPowerLoss();
  void JumpClock();
  void Cut(FaultKind kind, const std::string& name, std::vector<SimMessageBus::Link> links);
  // Undoes a fault when its time is over, or when quiet comes.
  void EndLater(std::function<void()> end);
  void Log(const std::string& line);
  size_t DrawMachine() { return Uniform(random_, world_->machine_count()); }
  int64_t DrawAround(int64_t mean);
  // Two different nodes. False: there are none.
  bool DrawLink(SimMessageBus::Link* link);

  SimWorld* const world_;
  const FaultPlan plan_;
  const Hooks hooks_;
  SimRandom random_;
  Scheduler::TimerId next_ = 0;
  bool started_ = false;
  uint64_t last_fault_ = 0;
  std::map<uint64_t, Fault> faults_;  // those that last
  std::vector<bool> dead_;
  std::vector<std::string> log_;
  int counts_[kFaultKindCount] = {};
};

}  // namespace kvfs::env::sim
