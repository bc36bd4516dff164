// SimWorld: one scheduler, one network and any number of machines, everything
// drawn from one seed: the same program with the same seed does the same, step
// by step. Owns them all; single-threaded. Destroy what runs in it first.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kvcore/base/task.h"
#include "kvcore/env/env.h"
#include "kvcore/env/sim/sim_env.h"
#include "kvcore/env/sim/sim_message_bus.h"
#include "kvcore/env/sim/sim_random.h"
#include "kvcore/env/sim/sim_scheduler.h"

namespace kvfs::env::sim {

struct SimOptions {
  uint64_t seed = 1;
  int machines = 1;
  bool shuffle = false;  // see SimScheduler
};

class SimWorld {
 public:
  explicit SimWorld(SimOptions options = {});

  SimScheduler& scheduler() { return scheduler_; }
  SimMessageBus& bus() { return bus_; }
  // For the script of the simulation: crashes, workloads. Apart from what the machines draw.
  SimRandom& random() { return random_; }
  SimEnv& machine(size_t index) { return *machines_[index]; }
  size_t machine_count() const { return machines_.size(); }

  // The first machine; often the only one.
  Env env() { return machine(0).env(); }
  SimFileSystem& files() { return machine(0).files(); }

  // See SimScheduler.
  template <typename T>
  T Run(Task<T> task) {
    return scheduler_.Run(std::move(task));
  }
  uint64_t trace_hash() const { return scheduler_.trace_hash(); }
  void RunUntilIdle() { scheduler_.RunUntilIdle(); }
  void RunFor(int64_t micros) { scheduler_.RunFor(micros); }

 private:
  SimRandom random_;
  SimScheduler scheduler_;
  SimMessageBus bus_;
  std::vector<std::unique_ptr<SimEnv>> machines_;
};

}  // namespace kvfs::env::sim
