// Simulation: one seed from its beginning to its end. A cluster and its clients, both of a size
// that the seed draws, work while a nemesis does harm; then all is quiet, every client must come
// to an answer, what they were told must be true, and the homes must become identical.
#pragma once

#include <string>

#include "kvcore/env/sim/sim_nemesis.h"
#include "kvcore/env/task_set.h"
#include "tests/sim/workload.h"

namespace kvfs::sim {

enum class Power : uint8_t {
  kStays,
  kFailsInPlaces,    // so few at a time that nothing acknowledged may be lost
  kFailsEverywhere,  // at once: what was acknowledged as synced must be there
};

struct SimulationOptions {
  uint64_t seed = 1;
  int clients = 5;
  int operations = 60;  // of each client
  int nodes = 0;        // 0: drawn
  Power power = Power::kStays;
};

class Simulation {
 public:
  Simulation(const SimulationOptions& options, const MakeWorkload& make);

  // What went wrong, or "". Once.
  std::string Run();

  size_t operations() const { return workload_->operations(); }
  size_t degraded() const { return workload_->degraded(); }
  uint64_t trace_hash() const { return cluster_.world().trace_hash(); }
  const env::sim::SimNemesis& nemesis() const { return nemesis_; }

 private:
  int64_t Now() { return cluster_.world().scheduler().NowMicros(); }
  // Runs until the task is done; false: a minute was not enough.
  bool RunToEnd(const Task<void>& task);
  void LostPower(size_t node);
  Task<void> Client(int client);
  // Until the clients have done their work or their time is over.
  void Trouble();
  std::string Quiet();
  // Which brings every home up to date.
  Task<void> ReadFromAll(std::string* wrong);
  Task<void> Check(std::string* wrong);

  const SimulationOptions options_;
  env::sim::SimRandom random_;
  SimCluster cluster_;
  const std::unique_ptr<Workload> workload_;
  const int64_t max_pause_micros_;  // between two operations of a client
  env::TaskSet tasks_;
  env::sim::SimNemesis nemesis_;
  int done_ = 0;
  bool quiet_ = false;
};

}  // namespace kvfs::sim
