#include "kvcore/replication/outcome.h"

#include "kvcore/base/coding.h"

namespace kvfs::replication {
namespace {
enum Form : char { kHappened = 1, kConflict = 2 };
}

Bytes EncodeOutcome(const Outcome& outcome) {
  Bytes out(1, outcome.conflict ? kConflict : kHappened);
  if (outcome.conflict) {
    PutVarint32(&out, outcome.failed_assert);
  } else {
    PutFixed64(&out, outcome.version.high);
    PutFixed64(&out, outcome.version.low);
  }
  return out;
}

Result<Outcome> DecodeOutcome(ByteView in) {
  Outcome outcome;
  const char form = in.empty() ? '\0' : in[0];
  in.remove_prefix(in.empty() ? 0 : 1);
  outcome.conflict = form == kConflict;
  const bool read = outcome.conflict
                        ? GetVarint32(&in, &outcome.failed_assert)
                        : form == kHappened && GetFixed64(&in, &outcome.version.high) &&
                              GetFixed64(&in, &outcome.version.low);
  if (!read || !in.empty()) {
    return Status::Corruption("outcome of an operation: malformed");
  }
  return outcome;
}

}  // namespace kvfs::replication
