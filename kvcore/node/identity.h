// Identity: who this node is and what its store was made with, kept as a note in the
// node's own keyspace. Written when the store is made, rewritten when the storage epoch
// is renewed. Values and functions over a LocalStore; no state.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/task.h"
#include "kvcore/client/types.h"
#include "kvcore/env/random.h"
#include "kvcore/replication/local_store.h"

namespace kvfs::node {

struct Identity {
  Bytes cluster_id;  // 16 bytes
  SipHashKey name_hash_key;
  uint32_t chunk_bytes = 128u << 10;
  uint32_t partition_bits = 8;
  uint64_t node_id = 1;
  uint32_t inode_grant = 1;
  std::vector<uint64_t> storage_epochs;  // the present one last; never empty
  Bytes directory_identity;  // tells the directory from a copy of it; what it is made of is the
                             // caller's choice

  client::StoreInfo ToStoreInfo() const;
};

// Of the founding node of a new cluster.
Identity NewIdentity(env::Random* random, Bytes directory_identity);

// kNotFound: a new store. kCorruption; kInvalidArgument: of a newer version of kvfs.
Result<Identity> LoadIdentity(replication::LocalStore* store);
// Durable when it is done.
Task<Status> SaveIdentity(const Identity& identity, replication::LocalStore* store);

// From now on dots are minted under a new epoch: the store is a copy, or may have lost some.
void RenewStorageEpoch(Identity* identity, env::Random* random, Bytes directory_identity);

}  // namespace kvfs::node
