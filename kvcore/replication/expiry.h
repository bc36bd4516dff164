// Expiry: recorded outcomes that nobody will ask for any more. A session says up to where its
// operations are settled; each pk then forgets its outcomes below that, and remembers instead that
// they are expired: one small entry per session and pk. Functions over a LocalStore.
#pragma once

#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

// Operations of the session with lower sequences are expired on the pk: an outcome of theirs that
// is not recorded any more is not known.
Result<uint64_t> ExpiredBelow(LocalStore* store, ByteView pk, uint64_t session);

// The entries that let the pk forget some of the outcomes of `session` below `settled`, if there
// are any: to be applied with the next transaction.
Status Expire(LocalStore* store, ByteView pk, uint64_t session, uint64_t settled,
              google::protobuf::RepeatedPtrField<pb::Entry>* entries);

}  // namespace kvfs::replication
