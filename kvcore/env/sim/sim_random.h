// SimRandom: SplitMix64 (Steele, Lea & Flood, 2014) from a seed; the same seed
// gives the same numbers everywhere. Single-threaded.
#pragma once

#include "kvcore/env/random.h"

namespace kvfs::env::sim {

class SimRandom final : public Random {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override;

 private:
  uint64_t state_;
};

// Uniform over [0, bound). REQUIRES: bound > 0
uint64_t Uniform(Random& random, uint64_t bound);
// True with the given probability.
bool Happens(Random& random, double probability);

}  // namespace kvfs::env::sim
