#include "kvcore/replication/quorum.h"

#include <algorithm>

namespace kvfs::replication {

void Quorum::Deny(const Epoch& promised) {
  denied_ = true;
  highest_promised_ = std::max(highest_promised_, promised);
}

Quorum::Verdict Quorum::verdict() const {
  if (granted_.size() >= majority()) {
    return Verdict::kReached;
  }
  if (denied_) {
    return Verdict::kDenied;
  }
  return homes_ - failed_.size() < majority() ? Verdict::kFailed : Verdict::kOpen;
}

}  // namespace kvfs::replication
