#include "kvcore/node/identity.h"

#include <utility>

#include "kvcore/base/coding.h"
#include "kvcore/proto/node.pb.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

constexpr uint32_t kFormat = 1;
constexpr size_t kClusterIdBytes = 16;
// Numbers from 2^52 up are the filesystem's own (conflict copies).
constexpr uint32_t kMaxInodeGrant = (1u << 20) - 1;

Bytes IdentityKey() { return replication::NodeLocalKey("identity"); }

uint64_t NonZero(env::Random* random) {
  uint64_t number = 0;
  while (number == 0) {
    number = random->Next();
  }
  return number;
}

}  // namespace

client::StoreInfo Identity::ToStoreInfo() const {
  client::StoreInfo info;
  info.cluster_id = cluster_id;
  info.name_hash_key = name_hash_key;
  info.chunk_bytes = chunk_bytes;
  info.partition_bits = partition_bits;
  info.storage_epoch = storage_epochs.back();
  return info;
}

Identity NewIdentity(env::Random* random, Bytes directory_identity) {
  Identity identity;
  PutFixed64(&identity.cluster_id, NonZero(random));
  PutFixed64(&identity.cluster_id, NonZero(random));
  identity.name_hash_key = {random->Next(), random->Next()};
  identity.storage_epochs.push_back(NonZero(random));
  identity.directory_identity = std::move(directory_identity);
  return identity;
}

Result<Identity> LoadIdentity(replication::LocalStore* store) {
  KVFS_ASSIGN_OR_RETURN(const Bytes stored, store->Get(IdentityKey()));
  pb::Identity record;
  if (!record.ParseFromString(stored)) {
    return Status::Corruption("identity of the node: malformed");
  }
  if (record.format() != kFormat) {
    return Status::InvalidArgument("the store has items of format " +
                                   std::to_string(record.format()) + ", this kvfs reads format " +
                                   std::to_string(kFormat));
  }
  Identity identity;
  identity.cluster_id = record.cluster_id();
  identity.name_hash_key = {record.name_hash_k0(), record.name_hash_k1()};
  identity.chunk_bytes = record.chunk_bytes();
  identity.partition_bits = record.partition_bits();
  identity.node_id = record.node_id();
  identity.inode_grant = record.inode_grant();
  identity.storage_epochs.assign(record.storage_epochs().begin(), record.storage_epochs().end());
  identity.directory_identity = record.directory_identity();
  if (identity.cluster_id.size() != kClusterIdBytes || identity.chunk_bytes < 4096 ||
      identity.chunk_bytes > 64u << 20 || identity.partition_bits > 16 || identity.node_id == 0 ||
      identity.inode_grant == 0 || identity.inode_grant > kMaxInodeGrant ||
      identity.storage_epochs.empty()) {
    return Status::Corruption("identity of the node: a number out of its bounds");
  }
  return identity;
}

Task<Status> SaveIdentity(const Identity& identity, replication::LocalStore* store) {
  pb::Identity record;
  record.set_format(kFormat);
  record.set_cluster_id(identity.cluster_id);
  record.set_name_hash_k0(identity.name_hash_key.k0);
  record.set_name_hash_k1(identity.name_hash_key.k1);
  record.set_chunk_bytes(identity.chunk_bytes);
  record.set_partition_bits(identity.partition_bits);
  record.set_node_id(identity.node_id);
  record.set_inode_grant(identity.inode_grant);
  for (const uint64_t epoch : identity.storage_epochs) {
    record.add_storage_epochs(epoch);
  }
  record.set_directory_identity(identity.directory_identity);
  std::vector<replication::StoreWrite> writes(1);
  writes[0].key = IdentityKey();
  writes[0].value = record.SerializeAsString();
  KVFS_CO_ASSIGN_OR_RETURN(const replication::Position position,
                           store->Apply(std::move(writes), {.will_sync = true}));
  Status synced = co_await store->Sync(position);
  co_return synced;
}

void RenewStorageEpoch(Identity* identity, env::Random* random, Bytes directory_identity) {
  identity->storage_epochs.push_back(NonZero(random));
  identity->directory_identity = std::move(directory_identity);
}

}  // namespace kvfs::node
