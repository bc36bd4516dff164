// The merging iterator: several InternalIterators as one, in order, both ways.
// Equal internal keys do not occur between children (a sequence is used once); if
// damage makes them, all are shown. An error in any child ends the walk.
#pragma once

#include <memory>
#include <vector>

#include "kvcore/engine/internal_iterator.h"

namespace kvfs::engine {

std::unique_ptr<InternalIterator> NewMergingIterator(
    std::vector<std::unique_ptr<InternalIterator>> children);

}  // namespace kvfs::engine
