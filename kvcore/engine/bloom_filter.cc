#include "kvcore/engine/bloom_filter.h"

#include <xxhash.h>

#include <algorithm>

namespace kvfs::engine {
namespace {

constexpr size_t kLineBytes = 64;
constexpr uint32_t kLineBits = kLineBytes * 8;

// The line by the upper half of the hash (a multiplication spreads it over the lines), the bits
// within by the lower half, nine of its bits at a time after a mixing multiplication.
size_t LineOf(uint64_t hash, size_t lines) {
  return static_cast<size_t>(((hash >> 32) * lines) >> 32);
}

class Probes {
 public:
  explicit Probes(uint64_t hash) : state_(static_cast<uint32_t>(hash)) {}
  uint32_t Next() {
    const uint32_t bit = state_ >> 23;
    state_ *= 0x9e3779b9u;
    return bit;
  }

 private:
  uint32_t state_;
};

}  // namespace

uint64_t BloomHash(ByteView user_key) { return XXH3_64bits(user_key.data(), user_key.size()); }

void BloomBuilder::Add(ByteView user_key) {
  if (bits_per_key_ == 0) {
    return;
  }
  const uint64_t hash = BloomHash(user_key);
  if (hashes_.empty() || hashes_.back() != hash) {
    hashes_.push_back(hash);
  }
}

Bytes BloomBuilder::Finish() {
  if (hashes_.empty()) {
    return {};
  }
  // ln 2 probes per bit; a little fewer than in a filter without lines.
  const uint32_t probes = std::clamp(bits_per_key_ * 69 / 100, 1u, 16u);
  const uint64_t bits = hashes_.size() * uint64_t{bits_per_key_};
  const size_t lines = std::max<uint64_t>(1, (bits + kLineBits - 1) / kLineBits);
  Bytes filter(lines * kLineBytes, '\0');
  for (const uint64_t hash : hashes_) {
    char* line = filter.data() + LineOf(hash, lines) * kLineBytes;
    Probes probe(hash);
    for (uint32_t i = 0; i < probes; ++i) {
      const uint32_t bit = probe.Next();
      line[bit / 8] = static_cast<char>(line[bit / 8] | (1 << (bit % 8)));
    }
  }
  filter.push_back(static_cast<char>(probes));
  return filter;
}

bool BloomMayContain(ByteView filter, uint64_t hash) {
  if (filter.size() <= kLineBytes || filter.size() % kLineBytes != 1) {
    return true;
  }
  const auto probes = static_cast<unsigned char>(filter.back());
  const size_t lines = filter.size() / kLineBytes;
  const char* line = filter.data() + LineOf(hash, lines) * kLineBytes;
  Probes probe(hash);
  for (unsigned char i = 0; i < probes; ++i) {
    const uint32_t bit = probe.Next();
    if ((line[bit / 8] & (1 << (bit % 8))) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace kvfs::engine
