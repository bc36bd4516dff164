// The kinds of extended attributes, as bits of pb::Inode::xattr_bits: a bit that is
// not set answers ENODATA without a read. Pure.
#pragma once

#include <cstdint>

#include "fs/meta/errno.h"
#include "kvcore/base/bytes.h"

namespace kvfs::fs {

enum XattrBit : uint32_t {
  kXattrUser = 1,
  kXattrTrusted = 2,
  kXattrCapability = 4,  // security.capability, asked for before every write
  kXattrSecurity = 8,    // the rest of security.*
  kXattrAclAccess = 16,
  kXattrAclDefault = 32,
};

inline constexpr ByteView kAclAccessName = "system.posix_acl_access";
inline constexpr ByteView kAclDefaultName = "system.posix_acl_default";
inline constexpr ByteView kCapabilityName = "security.capability";

// Answered by the filesystem: where a conflict copy comes from.
inline constexpr ByteView kConflictName = "user.kvfs.conflict";
// Of directories: whether they wait for a majority (doc/consistency.md).
inline constexpr ByteView kConsistencyName = "user.kvfs.consistency";

inline constexpr uint32_t kMaxXattrNameBytes = 255;
inline constexpr uint32_t kMaxXattrValueBytes = 65536;
// Of one inode: listxattr(2) can return no more.
inline constexpr uint32_t kMaxXattrListBytes = 65536;

// The bit of a name. ERANGE: too long; EINVAL: nothing behind the prefix; EOPNOTSUPP: no such
// namespace.
FsResult<XattrBit> ClassifyXattr(ByteView name);

// What the names of a kind begin with, where the kind has several names; else empty.
ByteView XattrPrefixOf(XattrBit bit);

// `user.kvfs.*`: answered by the filesystem itself, never stored, absent from lists.
bool IsReservedXattr(ByteView name);

}  // namespace kvfs::fs
