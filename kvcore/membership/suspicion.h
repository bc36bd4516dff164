// When a suspect is taken for dead. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/membership/options.h"
#include "kvcore/membership/view.h"

namespace kvfs::membership {

// Two distinct members, alive as far as is known, whose own probes failed; in two zones where those
// who could say so stand in two; one where nobody else is a member.
bool IsConfirmed(NodeId suspect, const std::vector<NodeId>& confirmers, const View& view);

// Adds those that are new, up to kMaxConfirmers; a full list still takes one from another zone.
// True if it changed.
bool MergeConfirmers(const std::vector<NodeId>& more, const View& view,
                     std::vector<NodeId>* confirmers);

// How long a suspect has to refute: the more suspect it, the shorter.
int64_t SuspicionMicros(const Options& options, size_t members, size_t confirmers);

}  // namespace kvfs::membership
