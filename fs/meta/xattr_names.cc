#include "fs/meta/xattr_names.h"

namespace kvfs::fs {
namespace {

constexpr ByteView kUserPrefix = "user.";
constexpr ByteView kTrustedPrefix = "trusted.";
constexpr ByteView kSecurityPrefix = "security.";
constexpr ByteView kReservedPrefix = "user.kvfs.";

}  // namespace

FsResult<XattrBit> ClassifyXattr(ByteView name) {
  if (name.size() > kMaxXattrNameBytes) {
    return Errno(ERANGE);
  }
  if (name.find('\0') != ByteView::npos) {
    return Errno(EINVAL);
  }
  if (name == kAclAccessName) {
    return kXattrAclAccess;
  }
  if (name == kAclDefaultName) {
    return kXattrAclDefault;
  }
  if (name == kCapabilityName) {
    return kXattrCapability;
  }
  for (XattrBit bit : {kXattrUser, kXattrTrusted, kXattrSecurity}) {
    const ByteView prefix = XattrPrefixOf(bit);
    if (name.starts_with(prefix)) {
      return name.size() > prefix.size() ? FsResult<XattrBit>(bit) : Errno(EINVAL);
    }
  }
  return Errno(EOPNOTSUPP);
}

ByteView XattrPrefixOf(XattrBit bit) {
  switch (bit) {
    case kXattrUser:
      return kUserPrefix;
    case kXattrTrusted:
      return kTrustedPrefix;
    case kXattrSecurity:
      return kSecurityPrefix;
    case kXattrCapability:
    case kXattrAclAccess:
    case kXattrAclDefault:
      return {};
  }
  return {};
}

bool IsReservedXattr(ByteView name) { return name.starts_with(kReservedPrefix); }

}  // namespace kvfs::fs
