// The layout as a node keeps it: what it knows of the agreement on layouts (ring/), as a note in
// its own keyspace. Functions over a LocalStore; no state.
#pragma once

#include <memory>

#include "kvcore/base/task.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/ring/layout_agreement.h"

namespace kvfs::node {

// kNotFound: the store has none yet. kCorruption.
Result<ring::AgreementState> LoadLayout(replication::LocalStore* store);
// `encoded`: an AgreementState. Durable when it is done.
Task<Status> SaveLayout(Bytes encoded, replication::LocalStore* store);

// The layout in force. A store that has none takes `given` for it; that of a first layout must be
// the one given (kInvalidArgument, naming the difference), as nothing has changed since. `given`
// may be null for a store that has one.
Task<Result<ring::AgreementState>> AdoptLayout(std::shared_ptr<const ring::Layout> given,
                                               replication::LocalStore* store);

}  // namespace kvfs::node
