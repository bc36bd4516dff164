// A Bloom filter over the user keys of one table, in lines of 64 bytes: all probes
// of a key fall into one line, so a lookup costs one cache miss. Keys are hashed with
// XXH3 (64 bits). Encoding: lines, then u8 probes per key.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::engine {

uint64_t BloomHash(ByteView user_key);

class BloomBuilder {
 public:
  explicit BloomBuilder(uint32_t bits_per_key) : bits_per_key_(bits_per_key) {}

  // Keys come in order; repetitions (versions of one key) are counted once.
  void Add(ByteView user_key);
  // Empty if there are no keys or no bits.
  Bytes Finish();

 private:
  const uint32_t bits_per_key_;
  std::vector<uint64_t> hashes_;
};

// False: the key is certainly not in the set. A malformed filter says true.
bool BloomMayContain(ByteView filter, uint64_t hash);

}  // namespace kvfs::engine
