// Namespace: extended attributes and ACLs.

#include <utility>

#include "fs/meta/conflict_items.h"
#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/meta/posix_acl.h"

namespace kvfs::fs {
namespace {

constexpr ByteView kStrongText = "strong";
constexpr ByteView kAvailableText = "available";

bool IsAcl(XattrBit bit) { return bit == kXattrAclAccess || bit == kXattrAclDefault; }

uint32_t ListedBytes(ByteView name) { return static_cast<uint32_t>(name.size() + 1); }

}  // namespace

Task<FsResult<std::optional<Bytes>>> Namespace::ReadXattr(const LoadedInode* inode, Bytes name) {
  client::ItemKey key{keys::DirectoryPk(inode->ref.home), keys::Xattr(inode->ref.ino, name)};
  auto item = co_await client_->Get(std::move(key));
  if (!item.ok()) {
    co_return ToErrno(item.error());
  }
  std::optional<Bytes> value;
  if (item->has_value()) {
    value = (*item)->value();
  }
  co_return value;
}

Task<FsResult<Bytes>> Namespace::GetXattr(InodeRef ref, Bytes name) {
  if (IsReservedXattr(name)) {
    auto told = co_await GetOwnXattr(ref, std::move(name));
    co_return told;
  }
  auto bit = ClassifyXattr(name);
  if (!bit.ok()) {
    co_return bit.error();
  }
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  if ((inode->record.xattr_bits() & *bit) == 0) {
    co_return Errno(ENODATA);
  }
  auto value = co_await ReadXattr(&*inode, std::move(name));
  if (!value.ok()) {
    co_return value.error();
  }
  if (!value->has_value()) {
    co_return Errno(ENODATA);
  }
  co_return std::move(**value);
}

Task<FsResult<Bytes>> Namespace::GetOwnXattr(InodeRef ref, Bytes name) {
  if (name != kConflictName && name != kConsistencyName) {
    co_return Errno(ENODATA);
  }
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  if (name == kConsistencyName) {
    if (!S_ISDIR(inode->record.mode())) {
      co_return Errno(ENODATA);
    }
    co_return Bytes(IsStrong(inode->record) ? kStrongText : kAvailableText);
  }
  if (!inode->record.has_conflict()) {
    co_return Errno(ENODATA);
  }
  co_return DescribeOrigin(inode->record.conflict());
}

Task<Errno> Namespace::SetConsistency(InodeRef ref, bool strong) {
  // A home that does not know that the directory is strong would go on without a majority. So all
  // have to be there before anything is changed, and to hold it afterwards.
  const Bytes pk = keys::DirectoryPk(ref.home);
  if (strong) {
    const auto whole = co_await client_->IsWhole(pk);
    if (!whole.ok() || !*whole) {
      co_return whole.ok() ? Errno(ETIMEDOUT) : ToErrno(whole.status());
    }
  }
  const Errno set = co_await RetryOnConflict([&] { return TrySetConsistency(ref, strong); });
  if (!set.ok() || !strong) {
    co_return set;
  }
  const auto whole = co_await client_->IsWhole(pk);
  if (!whole.ok() || !*whole) {
    co_return whole.ok() ? Errno(ETIMEDOUT) : ToErrno(whole.status());
  }
  co_return 0;
}

Task<Errno> Namespace::TrySetConsistency(InodeRef ref, bool strong) {
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  pb::Inode& record = inode->record;
  const Moment moment = Now();
  MakeStrong(&record, strong);
  SetTime(record.mutable_ctime(), moment.now, moment.set_at);
  ChangeSet changes;
  changes.Update(*inode);
  changes.SetStrong(ref.home, strong);
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

Task<FsResult<std::vector<Bytes>>> Namespace::XattrNames(Ino home, Ino ino, Bytes prefix,
                                                         size_t limit) {
  constexpr uint32_t kPageItems = 256;
  std::vector<Bytes> names;
  Bytes begin = keys::Xattr(ino, prefix);
  const Bytes end = keys::PrefixEnd(begin);
  while (names.size() < limit) {
    auto page = co_await client_->Scan(keys::DirectoryPk(home), begin, end, kPageItems);
    if (!page.ok()) {
      co_return ToErrno(page.error());
    }
    for (const client::Item& item : page->items) {
      auto name = keys::ParseXattrName(item.ck);
      if (!name) {
        co_return Errno(EIO);
      }
      names.emplace_back(*name);
    }
    if (!page->more || page->items.empty()) {
      break;
    }
    begin = page->items.back().ck;
    begin.push_back('\0');
  }
  co_return names;
}

Task<FsResult<std::vector<Bytes>>> Namespace::ListXattrs(InodeRef ref) {
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  if (inode->record.xattr_bits() == 0) {
    co_return std::vector<Bytes>();
  }
  auto names = co_await XattrNames(ref.home, ref.ino, {}, SIZE_MAX);
  co_return names;
}

Task<FsResult<bool>> Namespace::HasOtherXattr(const LoadedInode* inode, XattrBit bit, Bytes name) {
  const ByteView prefix = XattrPrefixOf(bit);
  if (prefix.empty()) {
    co_return false;
  }
  // `name` itself, perhaps security.capability, and one more.
  constexpr size_t kEnough = 3;
  auto names = co_await XattrNames(inode->ref.home, inode->ref.ino, Bytes(prefix), kEnough);
  if (!names.ok()) {
    co_return names.error();
  }
  for (const Bytes& other : *names) {
    if (other != name && other != kCapabilityName) {
      co_return true;
    }
  }
  co_return false;
}

Task<Errno> Namespace::SetXattr(InodeRef ref, Bytes name, Bytes value, bool create, bool replace,
                                bool kill_sgid) {
  if (name == kConsistencyName && ref.ino == ref.home) {
    if (value != kStrongText && value != kAvailableText) {
      co_return EINVAL;
    }
    if (create) {
      co_return EEXIST;  // every directory has it
    }
    const Errno done = co_await SetConsistency(ref, value == kStrongText);
    co_return done;
  }
  if (IsReservedXattr(name)) {
    co_return EPERM;
  }
  if (value.size() > kMaxXattrValueBytes) {
    co_return E2BIG;
  }
  const Errno done = co_await RetryOnConflict(
      [&] { return TrySetXattr(ref, name, value, create, replace, kill_sgid); });
  co_return done;
}

Task<Errno> Namespace::TrySetXattr(InodeRef ref, Bytes name, Bytes value, bool create, bool replace,
                                   bool kill_sgid) {
  auto bit = ClassifyXattr(name);
  if (!bit.ok()) {
    co_return bit.error();
  }
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  if (IsAcl(*bit)) {
    const Errno done = co_await TrySetAcl(&*inode, *bit, std::move(value), kill_sgid);
    co_return done;
  }
  pb::Inode& record = inode->record;
  if (*bit == kXattrUser && !S_ISREG(record.mode()) && !S_ISDIR(record.mode())) {
    co_return EPERM;
  }
  bool exists = false;
  if ((record.xattr_bits() & *bit) != 0) {
    auto old = co_await ReadXattr(&*inode, name);
    if (!old.ok()) {
      co_return old.error();
    }
    exists = old->has_value();
  }
  if (create && exists) {
    co_return EEXIST;
  }
  if (replace && !exists) {
    co_return ENODATA;
  }
  if (!exists) {
    if (record.xattr_name_bytes() + ListedBytes(name) > kMaxXattrListBytes) {
      co_return ENOSPC;
    }
    record.set_xattr_name_bytes(record.xattr_name_bytes() + ListedBytes(name));
    record.set_xattr_bits(record.xattr_bits() | *bit);
  }
  const Moment moment = Now();
  if (*bit == kXattrCapability) {
    record.set_owner_set_at(moment.set_at);
  }
  SetTime(record.mutable_ctime(), moment.now, moment.set_at);
  ChangeSet changes;
  changes.Update(*inode);
  changes.Put(ref.home, keys::Xattr(ref.ino, name), std::move(value));
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

Task<Errno> Namespace::TrySetAcl(LoadedInode* inode, XattrBit bit, Bytes value, bool kill_sgid) {
  pb::Inode& record = inode->record;
  if (S_ISLNK(record.mode())) {
    co_return EOPNOTSUPP;
  }
  std::optional<PosixAcl> acl = PosixAcl::Parse(value);
  if (!acl) {
    co_return EINVAL;
  }
  bool keep = !acl->empty();
  if (bit == kXattrAclDefault) {
    if (!S_ISDIR(record.mode())) {
      co_return keep ? Errno(EACCES) : Errno();
    }
  } else if (keep) {
    uint32_t mode = record.mode();
    keep = !acl->ToMode(&mode);
    if (kill_sgid) {
      mode &= ~uint32_t{S_ISGID};
    }
    record.set_mode(mode);
  }
  const ByteView name = bit == kXattrAclDefault ? kAclDefaultName : kAclAccessName;
  const Moment moment = Now();
  ChangeSet changes;
  const bool has = (record.xattr_bits() & bit) != 0;
  if (keep) {
    if (!has) {
      record.set_xattr_name_bytes(record.xattr_name_bytes() + ListedBytes(name));
    }
    record.set_xattr_bits(record.xattr_bits() | bit);
    changes.Put(inode->ref.home, keys::Xattr(inode->ref.ino, name), acl->Encode());
  } else if (has) {
    record.set_xattr_name_bytes(record.xattr_name_bytes() - ListedBytes(name));
    record.set_xattr_bits(record.xattr_bits() & ~uint32_t{bit});
    changes.Erase(inode->ref.home, keys::Xattr(inode->ref.ino, name));
  }
  record.set_owner_set_at(moment.set_at);
  SetTime(record.mutable_ctime(), moment.now, moment.set_at);
  changes.Update(*inode);
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

Task<Errno> Namespace::RemoveXattr(InodeRef ref, Bytes name) {
  if (name == kConsistencyName && ref.ino == ref.home) {
    const Errno done = co_await SetConsistency(ref, false);
    co_return done;
  }
  if (IsReservedXattr(name)) {
    co_return EPERM;
  }
  const Errno done = co_await RetryOnConflict([&] { return TryRemoveXattr(ref, name); });
  co_return done;
}

Task<Errno> Namespace::TryRemoveXattr(InodeRef ref, Bytes name) {
  auto bit = ClassifyXattr(name);
  if (!bit.ok()) {
    co_return bit.error();
  }
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  pb::Inode& record = inode->record;
  if ((record.xattr_bits() & *bit) == 0) {
    co_return IsAcl(*bit) ? Errno() : Errno(ENODATA);  // as other filesystems have it
  }
  auto old = co_await ReadXattr(&*inode, name);
  if (!old.ok()) {
    co_return old.error();
  }
  if (!old->has_value()) {
    co_return ENODATA;
  }
  auto has_other = co_await HasOtherXattr(&*inode, *bit, name);
  if (!has_other.ok()) {
    co_return has_other.error();
  }
  if (!*has_other) {
    record.set_xattr_bits(record.xattr_bits() & ~uint32_t{*bit});
  }
  record.set_xattr_name_bytes(record.xattr_name_bytes() - ListedBytes(name));
  const Moment moment = Now();
  SetTime(record.mutable_ctime(), moment.now, moment.set_at);
  ChangeSet changes;
  changes.AllowReserve();
  changes.Update(*inode);
  changes.Erase(ref.home, keys::Xattr(ref.ino, name));
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

}  // namespace kvfs::fs
