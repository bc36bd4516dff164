// SimFaults: counts the operations of a simulated file system and makes chosen
// ones fail. Not thread-safe; owned by SimFileSystem.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kvcore/base/status.h"

namespace kvfs::env::sim {

enum class OpKind : uint8_t {
  kOpen,  // of what exists
  kCreate,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kReserve,
  kClose,
  kRename,
  kLink,
  kUnlink,
  kMakeDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kList,
  kStat,  // Exists, FileSize, FileIdentity, Space, Size
  kLock,
};
inline constexpr int kOpKindCount = 17;
std::string_view OpKindName(OpKind kind);

// A set of kinds, as a bit mask.
using OpKinds = uint32_t;
template <typename... Kinds>
constexpr OpKinds KindSet(Kinds... kinds) {
  return ((OpKinds{1} << static_cast<int>(kinds)) | ... | 0u);
}
inline constexpr OpKinds kAllOps = (OpKinds{1} << kOpKindCount) - 1;
// Those that change the disk or what of it is durable.
inline constexpr OpKinds kMutatingOps =
    KindSet(OpKind::kCreate, OpKind::kWrite, OpKind::kSync, OpKind::kTruncate, OpKind::kReserve,
            OpKind::kRename, OpKind::kLink, OpKind::kUnlink, OpKind::kMakeDirectory,
            OpKind::kRemoveDirectory, OpKind::kSyncDirectory, OpKind::kLock);

struct SimOperation {
  OpKind kind;
  std::string path;
  uint64_t offset = 0;  // of reads and writes; the size of truncations and reservations
  uint64_t size = 0;
};

struct SimFault {
  OpKinds kinds = kMutatingOps;
  uint64_t nth = 1;       // the nth matching operation from now on fails; 1: the next
  bool for_ever = false;  // and every matching one after it
  std::string path_part;  // only paths that contain it
  Code code = Code::kIoError;
};

class SimFaults {
 public:
  void Inject(SimFault fault) { faults_.push_back(std::move(fault)); }
  // The nth mutating operation from now on and every operation after it, reads too, fail.
  void PowerOffAt(uint64_t nth_mutating) { until_off_ = nth_mutating; }
  // Every operation fails from now on.
  void PowerOff() { off_ = true; }
  bool IsOff() const { return off_; }
  void Clear() {
    faults_.clear();
    until_off_ = 0;
    off_ = false;
  }
  // How many operations of these kinds were begun so far, failed ones included.
  uint64_t Count(OpKinds kinds) const;

  // Counts the operation and says whether it fails.
  Status Begin(const SimOperation& operation);

 private:
  std::vector<SimFault> faults_;
  uint64_t until_off_ = 0;  // 0: never
  bool off_ = false;
  std::array<uint64_t, kOpKindCount> counts_{};
};

}  // namespace kvfs::env::sim
