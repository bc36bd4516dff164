// Outcome: what became of an operation, kept beside the items it changed so that a retry is
// recognised wherever it comes. Values and pure functions.
#pragma once

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/replication/types.h"

namespace kvfs::replication {

struct Outcome {
  bool conflict = false;       // nothing happened
  uint32_t failed_assert = 0;  // where conflict
  VersionId version;           // else: of what it wrote

  bool operator==(const Outcome&) const = default;
};

// doc/formats/item.md. Decoding takes hostile input: kCorruption.
Bytes EncodeOutcome(const Outcome& outcome);
Result<Outcome> DecodeOutcome(ByteView in);

}  // namespace kvfs::replication
