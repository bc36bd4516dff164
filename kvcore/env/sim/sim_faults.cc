#include "kvcore/env/sim/sim_faults.h"

namespace kvfs::env::sim {

std::string_view OpKindName(OpKind kind) {
  static constexpr std::array<std::string_view, kOpKindCount> kNames = {
      "open", "create", "read",  "write", "sync",    "truncate", "reserve", "close", "rename",
      "link", "unlink", "mkdir", "rmdir", "syncdir", "list",     "stat",    "lock"};
  return kNames[static_cast<size_t>(kind)];
}

uint64_t SimFaults::Count(OpKinds kinds) const {
  uint64_t sum = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if ((kinds >> i & 1) != 0) {
      sum += counts_[i];
    }
  }
  return sum;
}

Status SimFaults::Begin(const SimOperation& operation) {
  ++counts_[static_cast<size_t>(operation.kind)];
  if (until_off_ > 0 && (KindSet(operation.kind) & kMutatingOps) != 0) {
    off_ = --until_off_ == 0;
  }
  if (off_) {
    return Status::IoError(operation.path + ": the machine is off");
  }
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if ((it->kinds & KindSet(operation.kind)) == 0 ||
        operation.path.find(it->path_part) == std::string::npos) {
      continue;
    }
    if (it->nth > 1) {
      --it->nth;
      continue;
    }
    Status failure(it->code, operation.path + ": " + std::string(OpKindName(operation.kind)) +
                                 ": injected failure");
    if (!it->for_ever) {
      faults_.erase(it);
    }
    return failure;
  }
  return {};
}

}  // namespace kvfs::env::sim
