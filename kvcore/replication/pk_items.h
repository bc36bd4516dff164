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

// What an entry comes to, with what it costs beside its key and value.
inline uint64_t BytesOf(ByteView key, ByteView value) { return key.size() + value.size() + 32; }
inline uint64_t BytesOf(const pb::Entry& entry) { return BytesOf(entry.ck(), entry.value()); }

// Whatever is stored under the prefix behind `after`, but the state, by its key without the prefix;
// at most about `max_bytes`, and then `more`.
Status ReadAll(LocalStore* store, ByteView prefix, const Bytes& after, uint64_t max_bytes,
               google::protobuf::RepeatedPtrField<pb::Entry>* entries, bool* more);

// The users' clustering keys within the range; empty: it has none.
struct CkRange {
  Bytes begin;
  Bytes end;
  bool empty() const { return begin >= end; }
};
CkRange UserRange(const pb::Range& range);

// To writes of pks that put or erase lines of work: those of the index at `work_place`, beside
// them.
void IndexWork(uint16_t work_place, std::vector<StoreWrite>* writes);

// The lines of one partition's index due at or before `now_millis`, at most `limit`, in order.
Result<std::vector<WorkItem>> DueLines(LocalStore* store, uint32_t partition,
                                       uint32_t partition_bits, int64_t now_millis, uint32_t limit);

}  // namespace kvfs::replication
