#include "fs/meta/posix_acl.h"

#include <cassert>

#include "fs/meta/posix.h"
#include "kvcore/base/coding.h"

namespace kvfs::fs {
namespace {

constexpr uint32_t kXattrVersion = 2;
constexpr size_t kHeaderBytes = 4;
constexpr size_t kEntryBytes = 8;
constexpr uint32_t kUndefinedId = 0xffffffff;
constexpr uint16_t kAllPermissions = 7;

bool HasId(PosixAcl::Tag tag) {
  return tag == PosixAcl::Tag::kUser || tag == PosixAcl::Tag::kGroup;
}

// One user, one group, one other; a mask where there are named users or groups; in order.
bool IsValid(const std::vector<PosixAcl::Entry>& entries) {
  uint32_t seen = 0;
  uint32_t last = 0;
  for (const PosixAcl::Entry& entry : entries) {
    const auto tag = static_cast<uint32_t>(entry.tag);
    switch (entry.tag) {
      case PosixAcl::Tag::kUserObj:
      case PosixAcl::Tag::kGroupObj:
      case PosixAcl::Tag::kMask:
      case PosixAcl::Tag::kOther:
        if ((seen & tag) != 0) {
          return false;
        }
        break;
      case PosixAcl::Tag::kUser:
      case PosixAcl::Tag::kGroup:
        if (entry.id == kUndefinedId) {
          return false;
        }
        break;
      default:
        return false;
    }
    if (entry.perm > kAllPermissions || tag < last) {
      return false;
    }
    last = tag;
    seen |= tag;
  }
  constexpr uint32_t kNeeded = 0x01 | 0x04 | 0x20;
  constexpr uint32_t kNamed = 0x02 | 0x08;
  constexpr uint32_t kMask = 0x10;
  return (seen & kNeeded) == kNeeded && ((seen & kNamed) == 0 || (seen & kMask) != 0);
}

}  // namespace

std::optional<PosixAcl> PosixAcl::Parse(ByteView value) {
  PosixAcl acl;
  if (value.empty()) {
    return acl;
  }
  if (value.size() < kHeaderBytes || (value.size() - kHeaderBytes) % kEntryBytes != 0 ||
      DecodeFixed32(value.data()) != kXattrVersion) {
    return std::nullopt;
  }
  for (size_t at = kHeaderBytes; at < value.size(); at += kEntryBytes) {
    const char* p = value.data() + at;
    acl.entries_.push_back({.tag = static_cast<Tag>(DecodeFixed<uint16_t>(p)),
                            .perm = DecodeFixed<uint16_t>(p + 2),
                            .id = DecodeFixed32(p + 4)});
  }
  if (!acl.entries_.empty() && !IsValid(acl.entries_)) {
    return std::nullopt;
  }
  return acl;
}

Bytes PosixAcl::Encode() const {
  Bytes out;
  PutFixed32(&out, kXattrVersion);
  for (const Entry& entry : entries_) {
    PutFixed<uint16_t>(&out, static_cast<uint16_t>(entry.tag));
    PutFixed<uint16_t>(&out, entry.perm);
    PutFixed32(&out, HasId(entry.tag) ? entry.id : kUndefinedId);
  }
  return out;
}

PosixAcl::Entry* PosixAcl::Find(Tag tag) {
  for (Entry& entry : entries_) {
    if (entry.tag == tag) {
      return &entry;
    }
  }
  return nullptr;
}

bool PosixAcl::ToMode(uint32_t* mode) const {
  uint32_t bits = 0;
  bool all = true;
  std::optional<uint32_t> mask;
  for (const Entry& entry : entries_) {
    switch (entry.tag) {
      case Tag::kUserObj:
        bits |= uint32_t{entry.perm} << 6;
        break;
      case Tag::kGroupObj:
        bits |= uint32_t{entry.perm} << 3;
        break;
      case Tag::kOther:
        bits |= entry.perm;
        break;
      case Tag::kMask:
        mask = entry.perm;
        all = false;
        break;
      case Tag::kUser:
      case Tag::kGroup:
        all = false;
        break;
    }
  }
  if (mask) {
    bits = (bits & ~uint32_t{S_IRWXG}) | (*mask << 3);
  }
  *mode = (*mode & ~uint32_t{S_IRWXU | S_IRWXG | S_IRWXO}) | bits;
  return all;
}

bool PosixAcl::Restrict(uint32_t* mode) {
  bool all = true;
  uint32_t bits = *mode & (S_IRWXU | S_IRWXG | S_IRWXO);
  const auto meet = [&bits](Entry* entry, int shift) {
    const uint32_t both = entry->perm & (bits >> shift) & kAllPermissions;
    entry->perm = static_cast<uint16_t>(both);
    bits = (bits & ~(uint32_t{kAllPermissions} << shift)) | (both << shift);
  };
  for (const Entry& entry : entries_) {
    all = all && !HasId(entry.tag) && entry.tag != Tag::kMask;
  }
  if (Entry* user = Find(Tag::kUserObj)) {
    meet(user, 6);
  }
  Entry* mask = Find(Tag::kMask);
  if (Entry* group = mask != nullptr ? mask : Find(Tag::kGroupObj)) {
    meet(group, 3);
  }
  if (Entry* other = Find(Tag::kOther)) {
    meet(other, 0);
  }
  *mode = (*mode & ~uint32_t{S_IRWXU | S_IRWXG | S_IRWXO}) | bits;
  return all;
}

void PosixAcl::Chmod(uint32_t mode) {
  const auto set = [mode](Entry* entry, int shift) {
    entry->perm = static_cast<uint16_t>((mode >> shift) & kAllPermissions);
  };
  if (Entry* user = Find(Tag::kUserObj)) {
    set(user, 6);
  }
  Entry* mask = Find(Tag::kMask);
  if (Entry* group = mask != nullptr ? mask : Find(Tag::kGroupObj)) {
    set(group, 3);
  }
  if (Entry* other = Find(Tag::kOther)) {
    set(other, 0);
  }
}

}  // namespace kvfs::fs
