// StorageService: answers what clients ask of a node beside transactions: chunks, lines of the
// work index that are due, room, and that everything be durable. Borrowed parts, no state;
// thread-safe.
#pragma once

#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/peers.h"

namespace kvfs::replication {

class StorageService {
 public:
  StorageService(uint32_t partition_bits, ChunkHome* chunks, LocalStore* store)
      : partition_bits_(partition_bits), chunks_(chunks), store_(store) {}

  static bool Serves(Method method);
  // kInvalidArgument: not a request of ours. Other errors: this node cannot do it now.
  Task<Result<Bytes>> Handle(Method method, Bytes body);

 private:
  Result<Bytes> DueWork(const Bytes& body);
  Result<Bytes> Info(const Bytes& body);

  const uint32_t partition_bits_;
  ChunkHome* const chunks_;
  LocalStore* const store_;
};

}  // namespace kvfs::replication
