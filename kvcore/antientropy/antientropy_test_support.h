// What the tests of anti-entropy share: writes of partition keys and references as replication
// makes them.
#pragma once

#include "kvcore/antientropy/merkle_store.h"
#include "kvcore/replication/keys.h"
#include "kvcore/versioning/version.h"
#include "tests/support/memory_local_store.h"

namespace kvfs::antientropy {

inline replication::PkState StateOf(uint64_t number, uint64_t seq) { return {{number, 1}, seq}; }

inline replication::StoreWrite StatePut(const Bytes& pk, const replication::PkState& state) {
  replication::StoreWrite write;
  write.key = replication::PkPrefix(pk) + replication::kStateCk;
  replication::EncodePkState(state, &write.value);
  return write;
}

inline replication::StoreWrite ItemPut(const Bytes& pk, const Bytes& ck) {
  replication::StoreWrite write;
  write.key = replication::PkPrefix(pk) + ck;
  versioning::EncodeLone({1, 1}, 1, "value", &write.value);
  return write;
}

// `node` is whose dot the reference has: each home mints its own.
inline replication::StoreWrite ReferencePut(const replication::ChunkId& id,
                                            const replication::ChunkRef& ref,
                                            const replication::PkState& stamp, uint64_t node = 1) {
  Bytes value;
  replication::EncodePkState(stamp, &value);
  replication::StoreWrite write;
  write.key = replication::ChunkRefKey(id, ref);
  versioning::EncodeLone({node, 1}, 1, value, &write.value);
  return write;
}

inline replication::StoreWrite ErasureOf(Bytes key) {
  replication::StoreWrite write;
  write.kind = replication::StoreWrite::Kind::kDelete;
  write.key = std::move(key);
  return write;
}

inline void Put(replication::LocalStore* store, std::vector<replication::StoreWrite> writes) {
  ASSERT_TRUE(store->Apply(std::move(writes), {}).ok());
}

}  // namespace kvfs::antientropy
