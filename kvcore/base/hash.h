// The hashes whose values reach the disk or the wire.
//
// SHA-256 (FIPS 180-4, by OpenSSL) names chunk content and places partition keys
// on the ring. SipHash-2-4 (Aumasson & Bernstein, 2012) is keyed, so nobody can
// choose names that collide; it hashes directory entries.
#pragma once

#include <array>
#include <cstdint>

#include "kvcore/base/bytes.h"

namespace kvfs {

using Sha256Digest = std::array<unsigned char, 32>;

Sha256Digest Sha256(ByteView data);
inline ByteView AsBytes(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

struct SipHashKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};
uint64_t SipHash24(const SipHashKey& key, ByteView data);

}  // namespace kvfs
