// SimEnv: one simulated machine: what it does not share with the others, and
// its lives. It can be paused, killed and started again.
//
// Kill() ends a life: from that moment it can neither change the disk nor send nor
// receive. The disk as the crash left it belongs to the next life, which env()
// hands out. The old Env stays valid: the owner of what ran on it lets it run into
// errors and then destroys it, before the world.
//
// Single-threaded; owned by the SimWorld.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "kvcore/env/env.h"
#include "kvcore/env/sim/sim_clock.h"
#include "kvcore/env/sim/sim_file_system.h"
#include "kvcore/env/sim/sim_process.h"
#include "kvcore/env/sim/sim_random.h"

namespace kvfs::env::sim {

class SimEnv {
 public:
  SimEnv(SimScheduler* scheduler, SimMessageBus* bus, uint64_t seed);

  Env env();
  SimClock& clock() { return clock_; }
  SimRandom& random() { return random_; }
  SimFileSystem& files() { return *lives_.back()->files; }
  // Puts another disk into the machine. REQUIRES: nothing runs on it.
  void SetFiles(std::unique_ptr<SimFileSystem> files) { lives_.back()->files = std::move(files); }

  // Its tasks, timers and arriving messages wait until Resume(); time goes on.
  void Pause() { lives_.back()->process.Pause(); }
  void Resume() { lives_.back()->process.Resume(); }
  bool paused() const { return lives_.back()->process.paused(); }

  void Kill(Random& random, CrashMode mode);

 private:
  struct Life {
    Life(SimScheduler* scheduler, SimMessageBus* bus) : process(scheduler, bus) {}
    SimProcess process;
    std::unique_ptr<SimFileSystem> files;
  };

  SimScheduler* const scheduler_;
  SimMessageBus* const bus_;
  SimClock clock_;
  SimRandom random_;
  std::vector<std::unique_ptr<Life>> lives_;  // never empty; the last one lives
};

}  // namespace kvfs::env::sim
