#include "kvcore/env/sim/sim_random.h"

#include <cassert>

namespace kvfs::env::sim {

uint64_t SimRandom::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// The remainder's bias is below 2^-32 for the small bounds of a simulation.
uint64_t Uniform(Random& random, uint64_t bound) {
  assert(bound > 0);
  return random.Next() % bound;
}

bool Happens(Random& random, double probability) {
  return static_cast<double>(random.Next() >> 11) * 0x1p-53 < probability;
}

}  // namespace kvfs::env::sim
