#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {

Bytes DescribeInternalKey(ByteView internal_key) {
  if (!IsInternalKey(internal_key)) {
    return "malformed key " + ToHex(internal_key);
  }
  Bytes out = "\"" + ToHex(UserKey(internal_key)) + "\" @ ";
  out += std::to_string(Sequence(internal_key));
  switch (TypeOf(internal_key)) {
    case EntryType::kDelete:
      return out + " delete";
    case EntryType::kValue:
      return out + " value";
    case EntryType::kBlobPointer:
      return out + " blob";
  }
  return out;
}

}  // namespace kvfs::engine
