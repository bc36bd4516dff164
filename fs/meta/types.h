// The vocabulary of the filesystem. Values, no synchronisation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/meta/errno.h"
#include "kvcore/base/bytes.h"

namespace kvfs::fs {

using Ino = uint64_t;  // below 2^53, never used twice
inline constexpr Ino kRootIno = 1;

inline constexpr uint32_t kMaxNameBytes = 255;
inline constexpr uint32_t kMaxSymlinkBytes = 4095;
inline constexpr uint64_t kMaxFileBytes = uint64_t{16} << 40;  // EFBIG beyond
inline constexpr uint32_t kMaxInlineBytes = 4096;
inline constexpr uint32_t kMaxLinks = 1'000'000'000;

// An inode's place in the store: home = the directory it was born in (its own number for a
// directory), which never changes.
struct InodeRef {
  Ino ino = 0;
  Ino home = 0;

  bool operator==(const InodeRef&) const = default;
};

struct TimeSpec {
  int64_t seconds = 0;
  uint32_t nanos = 0;

  auto operator<=>(const TimeSpec&) const = default;
};

struct Attr {
  Ino ino = 0;
  uint32_t mode = 0;  // with the type bits
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size = 0;
  uint64_t blocks_512 = 0;  // allocated, in units of 512 bytes
  TimeSpec atime, mtime, ctime, btime;
  bool is_strong = false;  // of a directory
  // False: bytes of the file are still buffered, and publishing them may change its blocks and
  // times; or it may change elsewhere, and that must be seen at once. Whoever is told must not keep
  // it.
  bool is_settled = true;
};

// Who asks.
struct Credentials {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t umask = 0;  // of the caller; applied here when there is no default ACL
  int32_t pid = 0;
};

// Which attributes a setattr changes.
struct SetAttrRequest {
  bool set_mode = false, set_uid = false, set_gid = false, set_size = false;
  bool set_atime = false, set_mtime = false, atime_now = false, mtime_now = false;
  bool set_ctime = false;       // sent by the kernel with some others
  bool kill_suid_sgid = false;  // clear suid, and sgid where the group may execute
  uint32_t mode = 0;            // permission bits
  uint32_t uid = 0, gid = 0;
  uint64_t size = 0;
  TimeSpec atime, mtime, ctime;
};

struct DirEntry {
  Bytes name;
  InodeRef ref;
  uint32_t type = 0;    // d_type
  uint64_t cookie = 0;  // the entry's place; reading goes on after it
};

enum class RenameMode : uint8_t { kReplace, kNoReplace, kExchange };

struct FsSpace {
  uint64_t block_bytes = 4096;
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;
};

}  // namespace kvfs::fs
