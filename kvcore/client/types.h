// The vocabulary of the store as its users see it. Values, no synchronisation.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/hash.h"
#include "kvcore/replication/merged_work.h"
#include "kvcore/replication/types.h"
#include "kvcore/versioning/hybrid_clock.h"
#include "kvcore/versioning/version.h"

namespace kvfs::client {

using versioning::Dot;
using versioning::HybridTime;
using versioning::MillisOf;
using versioning::Sibling;
using versioning::VersionId;

using replication::Assert;
using replication::ChunkDrop;
using replication::ChunkId;
using replication::ChunkInfo;
using replication::ChunkPut;
using replication::ChunkRef;
using replication::Commit;
using replication::CommitResult;
using replication::DecodeMergedWork;
using replication::Item;
using replication::ItemKey;
using replication::kMergedWork;
using replication::MergedItem;
using replication::MergedWork;
using replication::OpId;
using replication::ScanPage;
using replication::Txn;
using replication::WorkItem;
using replication::WorkKey;
using replication::Write;

// What the store was made with; fixed for ever.
struct StoreInfo {
  Bytes cluster_id;             // 16 bytes
  SipHashKey name_hash_key;     // of directory entries
  uint32_t chunk_bytes = 0;     // 131072
  uint32_t partition_bits = 0;  // 8
  uint64_t storage_epoch = 0;   // of this node
};

// What somebody else has changed.
struct Change {
  Bytes pk;                // empty: perhaps anything
  std::vector<Bytes> cks;  // none: perhaps all items of the pk
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;
};

}  // namespace kvfs::client
