// Intent: what a commit over several partition keys leaves in each of them but the deciding one
// until it is over: what is to be written there, and where it is decided whether that is to
// happen (doc/multi-directory.md). An item of the pk; while it is there nobody else changes the
// pk. Values and pure functions.
#pragma once

#include "kvcore/base/status.h"
#include "kvcore/proto/replication.pb.h"
#include "kvcore/replication/types.h"

namespace kvfs::client {

// Clustering keys that begin with this are intents; nobody else's.
inline constexpr char kIntentTag = 0x30;

struct Intent {
  Bytes deciding_pk;
  replication::OpId op;  // whose outcome on deciding_pk says it
  replication::Txn txn;  // the writes and lines of work; pk and asserts are empty
};

Bytes IntentCk(const replication::OpId& op);
Bytes EncodeIntent(const Intent& intent);
// kCorruption.
Result<Intent> DecodeIntent(ByteView value);

// That nobody else is changing the pk; first among the asserts of every transaction.
replication::Assert AssertNoIntent();

// Leaves the intent in the pk of `txn`, whose asserts are checked.
replication::Txn Prepare(const replication::Txn& txn, const Bytes& deciding_pk,
                         const replication::OpId& op);
// Does what an intent says, and takes it away; a conflict if that was done before.
replication::Txn Carry(const Bytes& pk, const Intent& intent);
// Takes it away.
replication::Txn Withdraw(const Bytes& pk, const replication::OpId& op);
// Can never happen: whoever submits it under the name of an operation learns the outcome of that,
// or makes it a conflict.
replication::Txn Abort(const Bytes& deciding_pk);

}  // namespace kvfs::client
