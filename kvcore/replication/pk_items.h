// What a home does with single entries of a pk: pages of items for readers, and the work index
// of the partition, which is made of the lines that the pks hold. Functions over a LocalStore.
#pragma once

#include <vector>

#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

// The users' entries in the range of the pk with this prefix, as they are stored; fewer than asked
// for when they come to more than `max_bytes`.
Status ReadRange(LocalStore* store, ByteView pk_prefix, const pb::Range& range, uint64_t max_bytes,
                 pb::Page* page);

// To writes of pks that put or erase lines of work: those of the index at `work_place`, beside
// them.
void IndexWork(uint16_t work_place, std::vector<StoreWrite>* writes);

// The lines of one partition's index due at or before `now_millis`, at most `limit`, in order.
Result<std::vector<WorkItem>> DueLines(LocalStore* store, uint32_t partition,
                                       uint32_t partition_bits, int64_t now_millis, uint32_t limit);

}  // namespace kvfs::replication
