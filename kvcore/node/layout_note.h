// The layouts as a node keeps them: what it knows of the agreement on layouts (ring/) and, in a
// transition, the layout before the newest, as notes in its own keyspace. Functions over a
// LocalStore; no state.
#pragma once

#include <memory>
#include <optional>

#include "kvcore/base/task.h"
#include "kvcore/replication/local_store.h"
#include "kvcore/ring/layout_agreement.h"
#include "kvcore/ring/ring_view.h"

namespace kvfs::node {

struct KeptLayouts {
  ring::AgreementState agreement;
  ring::RingView view;  // its newest is the one decided last
};

// kNotFound: the store has none yet. kCorruption.
Result<KeptLayouts> LoadLayouts(replication::LocalStore* store);
// `agreement`: encoded. Durable when it is done.
Task<Status> SaveLayouts(Bytes agreement, std::shared_ptr<const ring::Layout> previous,
                         replication::LocalStore* store);
// The transition is over.
Task<Status> ForgetPrevious(replication::LocalStore* store);
// The agreement alone; the layouts in force stay.
Task<Status> SaveAgreement(Bytes agreement, replication::LocalStore* store);

// The layouts in force. A store that has none takes `given` for them; that of a first layout must
// be the one given (kInvalidArgument, naming the difference), as nothing has changed since. Where
// newer ones are given, they count. `given` may be nothing for a store that has some.
Task<Result<KeptLayouts>> AdoptLayouts(std::optional<ring::RingView> given,
                                       replication::LocalStore* store);

}  // namespace kvfs::node
