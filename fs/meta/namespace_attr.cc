// Namespace: attributes.

#include <utility>

#include "fs/meta/keys.h"
#include "fs/meta/names.h"
#include "fs/meta/namespace.h"
#include "fs/meta/posix.h"
#include "fs/meta/posix_acl.h"

namespace kvfs::fs {
namespace {

constexpr uint32_t kPermissionBits = 07777;

// What execution rights given by mode bits a stranger's change takes away.
uint32_t WithoutSetIds(uint32_t mode) {
  mode &= ~uint32_t{S_ISUID};
  if ((mode & S_IXGRP) != 0) {
    mode &= ~uint32_t{S_ISGID};
  }
  return mode;
}

}  // namespace

Task<FsResult<Attr>> Namespace::SetAttr(InodeRef ref, SetAttrRequest request, Credentials) {
  auto attr = co_await RetryOnConflict([&] { return TrySetAttr(ref, request); });
  co_return attr;
}

Task<FsResult<Attr>> Namespace::TrySetAttr(InodeRef ref, SetAttrRequest request) {
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  pb::Inode& record = inode->record;
  const bool changes_owner = request.set_uid || request.set_gid;
  const bool kills = request.kill_suid_sgid || (changes_owner && !request.set_mode);
  const Moment moment = Now();
  ChangeSet changes;

  uint32_t mode = record.mode();
  if (request.set_mode) {
    mode = (mode & ~kPermissionBits) | (request.mode & kPermissionBits);
  }
  if (kills && !S_ISDIR(mode)) {
    mode = WithoutSetIds(mode);
  }
  if (!S_ISDIR(mode) && (kills || changes_owner) && (record.xattr_bits() & kXattrCapability) != 0) {
    changes.Erase(ref.home, keys::Xattr(ref.ino, kCapabilityName));
    record.set_xattr_bits(record.xattr_bits() & ~uint32_t{kXattrCapability});
    record.set_xattr_name_bytes(record.xattr_name_bytes() -
                                static_cast<uint32_t>(kCapabilityName.size() + 1));
  }
  const bool owner_changes =
      mode != record.mode() || request.set_mode || changes_owner || request.kill_suid_sgid;
  record.set_mode(mode);
  if (request.set_uid) {
    record.set_uid(request.uid);
  }
  if (request.set_gid) {
    record.set_gid(request.gid);
  }
  if (owner_changes) {
    record.set_owner_set_at(moment.set_at);
  }
  if (request.set_mode) {
    const Errno adjusted = co_await ChmodAcl(&*inode, &changes);
    if (!adjusted.ok()) {
      co_return adjusted;
    }
  }
  if (request.set_atime || request.atime_now) {
    SetTime(record.mutable_atime(), request.atime_now ? moment.now : request.atime, moment.set_at);
  }
  if (request.set_mtime || request.mtime_now) {
    SetTime(record.mutable_mtime(), request.mtime_now ? moment.now : request.mtime, moment.set_at);
  }
  const bool times_change =
      request.set_atime || request.atime_now || request.set_mtime || request.mtime_now;
  if (!owner_changes && !times_change && !request.set_ctime) {
    co_return AttrOf(record);
  }
  SetTime(record.mutable_ctime(), request.set_ctime ? request.ctime : moment.now, moment.set_at);
  changes.Update(*inode);
  const Errno done = co_await changes.Commit(client_);
  if (!done.ok()) {
    co_return done;
  }
  co_return AttrOf(record);
}

Task<Errno> Namespace::ChmodAcl(const LoadedInode* inode, ChangeSet* changes) {
  if ((inode->record.xattr_bits() & kXattrAclAccess) == 0) {
    co_return 0;
  }
  auto value = co_await ReadXattr(inode, Bytes(kAclAccessName));
  if (!value.ok()) {
    co_return value.error();
  }
  if (!value->has_value()) {
    co_return kRetry;
  }
  std::optional<PosixAcl> acl = PosixAcl::Parse(**value);
  if (!acl) {
    co_return EIO;
  }
  acl->Chmod(inode->record.mode());
  changes->Put(inode->ref.home, keys::Xattr(inode->ref.ino, kAclAccessName), acl->Encode());
  co_return 0;
}

Task<Errno> Namespace::TouchAtime(InodeRef ref) {
  const TimeSpec now = WallTime(env_.clock);
  const Errno done = co_await TouchAtimeAt(ref, now);
  co_return done;
}

Task<Errno> Namespace::TouchAtimeAt(InodeRef ref, TimeSpec when) {
  const Errno done = co_await RetryOnConflict([&] { return TryTouchAtime(ref, when); });
  co_return done;
}

Task<Errno> Namespace::TryTouchAtime(InodeRef ref, TimeSpec now) {
  auto inode = co_await Load(ref);
  if (!inode.ok()) {
    co_return inode.error();
  }
  if (!RelatimeIsDue(AttrOf(inode->record), now)) {
    co_return 0;
  }
  SetTime(inode->record.mutable_atime(), now, client_->Now());
  ChangeSet changes;
  changes.Update(*inode);
  const Errno done = co_await changes.Commit(client_);
  co_return done;
}

bool RelatimeIsDue(const Attr& attr, TimeSpec now) {
  constexpr int64_t kDaySeconds = 86'400;
  return attr.atime <= attr.mtime || attr.atime <= attr.ctime ||
         now.seconds - attr.atime.seconds >= kDaySeconds;
}

}  // namespace kvfs::fs
