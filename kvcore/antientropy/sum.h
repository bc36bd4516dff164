// Sum and Digester: what a set of things comes to, so that two nodes can tell by a few bytes
// whether they hold the same. Each thing has a keyed digest of 128 bits, and a set is the sum of
// its digests modulo 2^128 (Bellare & Micciancio, "A New Paradigm for Collision-Free Hashing",
// 1997, AdHash): adding and taking away are one addition, whatever the order was. Values and pure
// functions.
#pragma once

#include "kvcore/base/bytes.h"
#include "kvcore/base/hash.h"
#include "kvcore/base/status.h"
#include "kvcore/replication/epoch.h"
#include "kvcore/replication/types.h"

namespace kvfs::antientropy {

struct Sum {
  uint64_t high = 0;
  uint64_t low = 0;

  Sum& operator+=(const Sum& other);
  Sum& operator-=(const Sum& other);
  bool IsZero() const { return high == 0 && low == 0; }
  bool operator==(const Sum&) const = default;
};

inline constexpr size_t kSumBytes = 16;
void Encode(const Sum& sum, Bytes* out);
Result<Sum> DecodeSum(ByteView in);  // kCorruption

// What is compared. Apart, because partition keys must come to the same on all homes, while a
// reference that one home has not dropped yet does no harm.
enum class Tree : uint8_t {
  kKeys = 0,    // each partition key with its state, which names its content
  kChunks = 1,  // each reference to a chunk with its stamp
};
inline constexpr Tree kTrees[] = {Tree::kKeys, Tree::kChunks};

class Digester {
 public:
  // Of one cluster: others' digests are different.
  explicit Digester(ByteView cluster_id);

  Sum OfKey(ByteView pk, const replication::PkState& state) const;
  Sum OfReference(const replication::ChunkId& id, const replication::ChunkRef& ref,
                  const replication::PkState& stamp) const;

 private:
  Sum Of(ByteView thing) const;

  SipHashKey high_;
  SipHashKey low_;
};

}  // namespace kvfs::antientropy
