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
#include "kvcore/env/sim/sim_clock.h"
#include "kvcore/env/sim/sim_file_system.h"
#include "kvcore/env/sim/sim_message_bus.h"
#include "kvcore/env/sim/sim_random.h"
#include "kvcore/env/sim/sim_scheduler.h"

namespace kvfs::env::sim {

// One simulated machine: what it does not share with the others.
class SimEnv {
 public:
  SimEnv(SimScheduler* scheduler, SimMessageBus* bus, uint64_t seed)
      : scheduler_(scheduler), bus_(bus), clock_(scheduler), random_(seed) {}

  Env env() {
    return {.clock = &clock_,
            .scheduler = scheduler_,
            .files = files_.get(),
            .random = &random_,
            .bus = bus_};
  }
  SimClock& clock() { return clock_; }
  SimRandom& random() { return random_; }
  SimFileSystem& files() { return *files_; }
  // Puts another disk into the machine. REQUIRES: nothing runs on it.
  void SetFiles(std::unique_ptr<SimFileSystem> files) { files_ = std::move(files); }

 private:
  SimScheduler* const scheduler_;
  SimMessageBus* const bus_;
  SimClock clock_;
  SimRandom random_;
  std::unique_ptr<SimFileSystem> files_ = std::make_unique<SimFileSystem>();
};

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

  // The first machine; often the only one.
  Env env() { return machine(0).env(); }
  SimFileSystem& files() { return machine(0).files(); }

  // See SimScheduler.
  template <typename T>
  T Run(Task<T> task) {
    return scheduler_.Run(std::move(task));
  }
  void RunUntilIdle() { scheduler_.RunUntilIdle(); }
  void RunFor(int64_t micros) { scheduler_.RunFor(micros); }

 private:
  SimRandom random_;
  SimScheduler scheduler_;
  SimMessageBus bus_;
  std::vector<std::unique_ptr<SimEnv>> machines_;
};

}  // namespace kvfs::env::sim
