#include "kvcore/base/hash.h"

#include <openssl/evp.h>

#include <bit>
#include <cassert>

#include "kvcore/base/coding.h"

namespace kvfs {

Sha256Digest Sha256(ByteView data) {
  // EVP_Digest fetches the algorithm anew at each call; one fetch is enough.
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local struct Context {
    EVP_MD_CTX* ctx = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(ctx); }
  } context;
  Sha256Digest digest;
  unsigned int size = 0;
  const bool ok = EVP_DigestInit_ex2(context.ctx, algorithm, nullptr) == 1 &&
                  EVP_DigestUpdate(context.ctx, data.data(), data.size()) == 1 &&
                  EVP_DigestFinal_ex(context.ctx, digest.data(), &size) == 1;
  assert(ok && size == digest.size());
  (void)ok;
  return digest;
}

namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t SipHash24(const SipHashKey& key, ByteView data) {
  SipState s{key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du,
             key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u};
  const size_t whole = data.size() & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) {
    s.Absorb(DecodeFixed64(data.data() + i));
  }
  uint64_t last = static_cast<uint64_t>(data.size()) << 56;
  for (size_t i = whole; i < data.size(); ++i) {
    last |= static_cast<uint64_t>(static_cast<unsigned char>(data[i])) << (8 * (i - whole));
  }
  s.Absorb(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) {
    s.Round();
  }
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace kvfs
