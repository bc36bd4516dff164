// MergedWork: what a merge leaves for whoever gives the items their meaning: at which
// clustering keys of the pk the two sides of a broken network met (doc/replication.md, "Without
// a majority"). The value of a line of the work index of kind kMergedWork with the pk as its
// id. Values and pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::replication {

struct MergedItem {
  enum Why : uint8_t {
    kSiblings = 1,  // several values stand beside each other
    kCameBack = 2,  // deleted by a majority, changed in the branch: the value is there again
    kKept = 4,      // deleted in the branch, changed by a majority: the value has stayed
  };
  Bytes ck;
  uint8_t why = 0;  // one or more of these

  bool operator==(const MergedItem&) const = default;
};

struct MergedWork {
  bool all = false;               // more than a list is kept of: look at everything in the pk
  std::vector<MergedItem> items;  // ascending by ck; each once

  bool empty() const { return !all && items.empty(); }
  bool operator==(const MergedWork&) const = default;
};

// doc/formats/item.md. Decoding takes hostile input: kCorruption.
Bytes EncodeMergedWork(const MergedWork& work);
Result<MergedWork> DecodeMergedWork(ByteView in);

}  // namespace kvfs::replication
