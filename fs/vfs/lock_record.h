// LockRecord: the item that says who has locked a file (doc/formats/filesystem.md). Pure.
#pragma once

#include <map>

#include "fs/vfs/lock_list.h"
#include "kvcore/base/status.h"
#include "kvcore/client/types.h"

namespace kvfs::fs {

// One mount that holds locks.
struct LockSession {
  uint64_t renewals = 0;  // grows while it is there
  uint32_t lease_millis = 0;

  bool operator==(const LockSession&) const = default;
};

inline constexpr uint32_t kMaxLeaseMillis = 3'600'000;

struct LockRecord {
  std::map<uint64_t, LockSession> sessions;
  LockList locks;
};

Bytes EncodeLocks(const LockRecord& record);
// Takes hostile bytes: kCorruption.
Result<LockRecord> DecodeLocks(ByteView value);
// What several sides of a broken network have each granted: all of it.
Result<LockRecord> DecodeLocks(const client::Item& item);

}  // namespace kvfs::fs
