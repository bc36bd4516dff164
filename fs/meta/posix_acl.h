// PosixAcl: POSIX.1e access control lists in the binary form of the xattrs
// system.posix_acl_access and system.posix_acl_default, and the rules that tie them
// to mode bits. Pure; the permission checks themselves are the kernel's.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kvcore/base/bytes.h"

namespace kvfs::fs {

class PosixAcl {
 public:
  enum class Tag : uint16_t {
    kUserObj = 0x01,
    kUser = 0x02,
    kGroupObj = 0x04,
    kGroup = 0x08,
    kMask = 0x10,
    kOther = 0x20,
  };
  struct Entry {
    Tag tag = Tag::kOther;
    uint16_t perm = 0;  // rwx
    uint32_t id = 0;    // of kUser and kGroup

    bool operator==(const Entry&) const = default;
  };

  // Nothing if the bytes are no valid list. A list of no entries is valid: it removes the ACL.
  static std::optional<PosixAcl> Parse(ByteView value);
  Bytes Encode() const;

  bool empty() const { return entries_.empty(); }
  const std::vector<Entry>& entries() const { return entries_; }

  // Puts what the list says of user, group and other into the permission bits of `mode`. True if
  // the bits say all of it, so that the list need not be kept.
  bool ToMode(uint32_t* mode) const;
  // For a new inode that inherits this list: restricts list and `mode` to what both allow. True
  // if the bits say all of it.
  bool Restrict(uint32_t* mode);
  // After chmod: the list says what the bits of `mode` say.
  void Chmod(uint32_t mode);

 private:
  Entry* Find(Tag tag);

  std::vector<Entry> entries_;  // in the order of tags, then ids
};

}  // namespace kvfs::fs
