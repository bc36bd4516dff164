// A fixed mixing function: choices between equals that look random and are the same everywhere.
#pragma once

#include <cstdint>

namespace kvfs::ring {

// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014) over both numbers.
inline uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15u + b;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace kvfs::ring
