#include "kvcore/env/sim/sim_world.h"

namespace kvfs::env::sim {

SimWorld::SimWorld(SimOptions options)
    : random_(options.seed),
      scheduler_(random_.Next(), options.shuffle),
      bus_(&scheduler_, random_.Next()) {
  for (int i = 0; i < options.machines; ++i) {
    machines_.push_back(std::make_unique<SimEnv>(&scheduler_, &bus_, random_.Next()));
  }
}

}  // namespace kvfs::env::sim
