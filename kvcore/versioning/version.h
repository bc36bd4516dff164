// Versions: how the store tells one write from another.
//
// A dot names one write for ever: (storage epoch of the node that minted it,
// counter). A hybrid logical time orders writes for people and for "the later
// setter wins"; it never decides causality. Values, no synchronisation.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::versioning {

struct Dot {
  uint64_t epoch = 0;    // random per storage epoch: who
  uint64_t counter = 0;  // counts from 1: which of its writes

  auto operator<=>(const Dot&) const = default;
};

// Hybrid logical clock (Kulkarni et al., 2014): milliseconds since the Unix epoch in the upper
// 48 bits, a counter in the lower 16.
using HybridTime = uint64_t;

// What one write left: a value or, for a delete, a tombstone.
struct Sibling {
  Dot dot;
  HybridTime time = 0;
  bool tombstone = false;
  Bytes value;

  bool operator==(const Sibling&) const = default;
};

// Which dots of each actor a version has seen: (storage epoch -> highest counter), ascending.
using Context = std::vector<Dot>;

// The state of one item: concurrent siblings (nearly always one), ordered by dot, and their joint
// context.
struct VersionedValue {
  std::vector<Sibling> siblings;
  Context context;

  bool operator==(const VersionedValue&) const = default;
};

// Identifies the state of an item, for "unchanged since I read it": the dot of its only sibling, or
// a hash over the dots of several. Zero = the item is absent.
struct VersionId {
  uint64_t high = 0;
  uint64_t low = 0;

  auto operator<=>(const VersionId&) const = default;
};
VersionId IdOf(const VersionedValue& value);

// The canonical encoding: doc/formats/item.md. Decoding takes hostile input (kCorruption).
void Encode(const VersionedValue& value, Bytes* out);
// The same of one sibling (no tombstone) whose context is its own dot.
void EncodeLone(const Dot& dot, HybridTime time, ByteView value, Bytes* out);
Result<VersionedValue> Decode(ByteView in);

}  // namespace kvfs::versioning
