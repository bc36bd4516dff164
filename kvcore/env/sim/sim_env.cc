#include "kvcore/env/sim/sim_env.h"

namespace kvfs::env::sim {

SimEnv::SimEnv(SimScheduler* scheduler, SimMessageBus* bus, uint64_t seed)
    : scheduler_(scheduler), bus_(bus), clock_(scheduler), random_(seed) {
  lives_.push_back(std::make_unique<Life>(scheduler, bus));
  lives_.back()->files = std::make_unique<SimFileSystem>();
}

Env SimEnv::env() {
  Life& life = *lives_.back();
  return {.clock = &clock_,
          .scheduler = life.process.scheduler(),
          .files = life.files.get(),
          .random = &random_,
          .bus = life.process.bus()};
}

void SimEnv::Kill(Random& random, CrashMode mode) {
  Life& old = *lives_.back();
  auto next = std::make_unique<Life>(scheduler_, bus_);
  next->files = old.files->Clone();
  next->files->Crash(random, mode);
  old.files->PowerOff();
  old.process.Disconnect();
  lives_.push_back(std::move(next));
}

}  // namespace kvfs::env::sim
