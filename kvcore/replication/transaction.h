// The transaction core: what a mini-transaction does to the items of its partition
// key. Pure but for the reads it asks of its ItemSource; the caller holds the lock of
// the partition meanwhile and carries the writes out.
#pragma once

#include <optional>
#include <vector>

#include "kvcore/replication/item_source.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/replication/types.h"
#include "kvcore/versioning/version.h"

namespace kvfs::replication {

struct TxnContext {
  uint16_t place = 0;       // of the txn's pk
  uint16_t work_place = 0;  // where the partition's work index lies
  versioning::Dot dot;      // minted for this transaction
  versioning::HybridTime time = 0;
  Epoch epoch;  // under which the primary serves the partition
  // Every dot in the store is of dot.epoch, so the new dot alone covers whatever it overwrites, and
  // nothing needs reading for a blind write.
  bool one_actor = false;
  // The store is not alone with the pk: its state stays when the last item goes, so that no replica
  // takes an older one for new.
  bool keep_state = false;
};

struct TxnPlan {
  std::optional<size_t> failed_assert;  // set: nothing else is
  std::vector<StoreWrite> writes;
  VersionId version;
  PkState previous;  // what the writes were planned on
  PkState next;      // what they leave
};

// The shape of a transaction: sizes and reserved keys. kInvalidArgument.
Status CheckTxn(const Txn& txn);

// REQUIRES: CheckTxn was OK.
Result<TxnPlan> PlanTxn(const Txn& txn, const TxnContext& context, ItemSource* items);

}  // namespace kvfs::replication
