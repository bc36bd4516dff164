#include <algorithm>

#include "kvcore/base/coding.h"
#include "kvcore/base/hash.h"
#include "kvcore/versioning/merge.h"
#include "kvcore/versioning/version.h"

namespace kvfs::versioning {

VersionId IdOf(const VersionedValue& value) {
  if (IsAbsent(value)) {
    return {};
  }
  if (value.siblings.size() == 1) {
    return {value.siblings[0].dot.epoch, value.siblings[0].dot.counter};
  }
  Bytes dots;
  for (const Sibling& sibling : value.siblings) {
    PutFixed64(&dots, sibling.dot.epoch);
    PutFixed64(&dots, sibling.dot.counter);
  }
  const Sha256Digest digest = Sha256(dots);
  const ByteView bytes = AsBytes(digest);
  // The top bit, which no counter reaches, keeps it apart from the dot of a lone sibling.
  return {DecodeFixed64(bytes.data()), DecodeFixed64(bytes.data() + 8) | uint64_t{1} << 63};
}

}  // namespace kvfs::versioning
