#include "kvcore/replication/quorum.h"

#include <algorithm>

namespace kvfs::replication {

void Quorum::Deny(const Epoch& promised) {
  denied_ = true;
  highest_promised_ = std::max(highest_promised_, promised);
}

Quorum::Verdict Quorum::verdict() const {
  if (electorate_.HasMajority([&](env::NodeId home) { return granted_.contains(home); })) {
    return Verdict::kReached;
  }
  if (denied_) {
    return Verdict::kDenied;
  }
  const bool may_reach =
      electorate_.HasMajority([&](env::NodeId home) { return !failed_.contains(home); });
  return may_reach ? Verdict::kOpen : Verdict::kFailed;
}

}  // namespace kvfs::replication
