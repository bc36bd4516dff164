// What the store of a lone node would hold after a branch of it was merged: the rules of
// doc/replication.md ("Without a majority") on whole contents of a MemoryLocalStore.
#pragma once

#include <functional>
#include <map>

#include "kvcore/base/bytes.h"

namespace kvfs::testing {

using Contents = std::map<Bytes, Bytes>;

// `base` is what both began with; `trunk` may have gone on, also after an earlier merge of other
// partition keys; `branch` has dots of its own. Each partition key that `wants` says yes to comes
// over whole, with a line of work for what met; with `with_work` also the lines of the branch, of
// all partition keys. Chunks come in any case. The notes of the node itself stay the trunk's.
Contents MergeContents(const Contents& base, const Contents& trunk, const Contents& branch,
                       const std::function<bool(ByteView pk)>& wants, bool with_work = true);

// The keys of users' items with several siblings.
std::vector<Bytes> KeysInConflict(const Contents& contents);

}  // namespace kvfs::testing
