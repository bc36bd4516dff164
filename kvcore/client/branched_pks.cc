#include "kvcore/client/branched_pks.h"

#include <utility>

namespace kvfs::client {

void BranchedPks::Note(const Bytes& pk) {
  std::lock_guard lock(mutex_);
  if (pks_.size() >= options_.max_pks && !pks_.contains(pk)) {
    more_ = true;
    return;
  }
  pks_[pk];
}

bool BranchedPks::Keep(const Bytes& pk, uint64_t sequence) {
  std::lock_guard lock(mutex_);
  const auto found = pks_.find(pk);
  if (found == pks_.end() || ops_ >= options_.max_ops) {
    return false;
  }
  found->second.push_back(sequence);
  ++ops_;
  return true;
}

bool BranchedPks::Has(const Bytes& pk) const {
  std::lock_guard lock(mutex_);
  return more_ || pks_.contains(pk);
}

std::vector<uint64_t> BranchedPks::Merged(const Bytes& pk) {
  std::lock_guard lock(mutex_);
  const auto found = pks_.find(pk);
  if (found == pks_.end()) {
    return {};
  }
  std::vector<uint64_t> ops = std::move(found->second);
  pks_.erase(found);
  ops_ -= ops.size();
  more_ = more_ && !pks_.empty();
  return ops;
}

}  // namespace kvfs::client
