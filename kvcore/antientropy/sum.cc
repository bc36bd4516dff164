#include "kvcore/antientropy/sum.h"

#include <cstring>

#include "kvcore/base/coding.h"
#include "kvcore/replication/keys.h"

namespace kvfs::antientropy {

Sum& Sum::operator+=(const Sum& other) {
  low += other.low;
  high += other.high + (low < other.low ? 1 : 0);
  return *this;
}

Sum& Sum::operator-=(const Sum& other) {
  high -= other.high + (low < other.low ? 1 : 0);
  low -= other.low;
  return *this;
}

void Encode(const Sum& sum, Bytes* out) {
  PutFixed64(out, sum.high);
  PutFixed64(out, sum.low);
}

Result<Sum> DecodeSum(ByteView in) {
  Sum sum;
  if (!GetFixed64(&in, &sum.high) || !GetFixed64(&in, &sum.low) || !in.empty()) {
    return Status::Corruption("sum of digests: malformed");
  }
  return sum;
}

Digester::Digester(ByteView cluster_id) {
  const Sha256Digest keys = Sha256(Bytes("merkle") + Bytes(cluster_id));
  std::memcpy(&high_, keys.data(), sizeof(high_));
  std::memcpy(&low_, keys.data() + sizeof(high_), sizeof(low_));
}

Sum Digester::Of(ByteView thing) const { return {SipHash24(high_, thing), SipHash24(low_, thing)}; }

Sum Digester::OfKey(ByteView pk, const replication::PkState& state) const {
  Bytes thing(1, static_cast<char>(Tree::kKeys));
  PutLengthPrefixed(&thing, pk);
  replication::EncodePkState(state, &thing);
  return Of(thing);
}

Sum Digester::OfReference(const replication::ChunkId& id, const replication::ChunkRef& ref,
                          const replication::PkState& stamp) const {
  Bytes thing(1, static_cast<char>(Tree::kChunks));
  thing.append(replication::ChunkRefKey(id, ref));  // of a fixed length
  replication::EncodePkState(stamp, &thing);
  return Of(thing);
}

}  // namespace kvfs::antientropy
