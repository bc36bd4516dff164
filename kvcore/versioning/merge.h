// What happens to the state of an item when it is written, and when two replicas
// meet. Pure functions. Merging is commutative, associative and idempotent, so
// replicas that have exchanged everything are identical whatever the order was
// (dotted version vectors: Preguica, Baquero, Almeida, Fonte, Goncalves, 2012).
#pragma once

#include "kvcore/versioning/version.h"

namespace kvfs::versioning {

// True if the context has seen the dot.
bool Covers(const Context& context, const Dot& dot);

// Everything that either has seen.
Context Join(const Context& a, const Context& b);

// No sibling but tombstones: users see no item.
bool IsAbsent(const VersionedValue& value);

// A write by somebody who has seen `seen`: what it saw goes, what it did not see stays as a
// sibling. REQUIRES: neither `current` nor `seen` covers written.dot.
VersionedValue Update(const VersionedValue& current, const Context& seen, Sibling written);

// A write that has seen everything: one sibling is left.
VersionedValue Supersede(const VersionedValue& current, Sibling written);

// The state of a replica that has seen what both have seen.
VersionedValue Merge(const VersionedValue& a, const VersionedValue& b);

// The sibling with the greatest (time, dot) among those that are no tombstones, or among all if
// there is no other. REQUIRES: at least one sibling.
const Sibling& Winner(const std::vector<Sibling>& siblings);

}  // namespace kvfs::versioning
