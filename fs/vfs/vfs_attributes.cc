// VfsImpl: attributes and extended attributes.

#include <utility>

#include "fs/meta/names.h"
#include "fs/meta/posix.h"
#include "fs/vfs/vfs_impl.h"

namespace kvfs::fs {
namespace {

bool ChangesMoreThanSize(const SetAttrRequest& request) {
  return request.set_mode || request.set_uid || request.set_gid || request.set_atime ||
         request.set_mtime || request.atime_now || request.mtime_now || request.set_ctime ||
         request.kill_suid_sgid;
}

// What a change means for an inode that has no record any more.
void Apply(const SetAttrRequest& request, TimeSpec now, Attr* attr) {
  constexpr uint32_t kPermissionBits = 07777;
  if (request.set_mode) {
    attr->mode = (attr->mode & ~kPermissionBits) | (request.mode & kPermissionBits);
  }
  attr->uid = request.set_uid ? request.uid : attr->uid;
  attr->gid = request.set_gid ? request.gid : attr->gid;
  if (request.set_atime || request.atime_now) {
    attr->atime = request.atime_now ? now : request.atime;
  }
  if (request.set_mtime || request.mtime_now) {
    attr->mtime = request.mtime_now ? now : request.mtime;
  }
  attr->ctime = now;
}

}  // namespace

Task<FsResult<Attr>> VfsImpl::GetAttr(Ino ino) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  const uint64_t released_before = files_->ReleasedCount();
  auto attr = co_await namespace_.GetAttr(*ref, Freshness::kRecent);
  if (attr.ok()) {
    OverlayBuffered(&*attr, released_before);
    co_return attr;
  }
  if (attr.error() != Errno(ENOENT)) {
    co_return attr.error();
  }
  if (auto gone = inodes_.FindGone(ino)) {
    co_return *gone;
  }
  co_return Errno(ESTALE);
}

Task<FsResult<Attr>> VfsImpl::SetAttr(Ino ino, SetAttrRequest request, Credentials who) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  if (auto gone = inodes_.FindGone(ino)) {
    Apply(request, WallTime(env_.clock), &*gone);
    inodes_.SetGone(*gone);
    co_return *gone;
  }
  const uint64_t released_before = files_->ReleasedCount();
  if (request.set_size) {
    if (ref->ino == ref->home) {
      co_return Errno(EISDIR);
    }
    auto truncated = co_await files_->Truncate(*ref, request.size);
    if (!truncated.ok()) {
      co_return truncated.error();
    }
    if (!ChangesMoreThanSize(request)) {
      OverlayBuffered(&*truncated, released_before);
      co_return truncated;
    }
  }
  const bool sets_times =
      request.set_atime || request.set_mtime || request.atime_now || request.mtime_now;
  if (sets_times && ref->ino != ref->home) {
    // What is buffered was written before; its time must not come out on top later.
    const Errno published = co_await files_->Publish(*ref);
    if (!published.ok()) {
      co_return published;
    }
  }
  auto attr = co_await namespace_.SetAttr(*ref, request, who);
  if (!attr.ok()) {
    co_return attr.error() == Errno(ENOENT) ? Errno(ESTALE) : attr.error();
  }
  if (request.set_atime || request.atime_now) {
    atimes_.Drop(ino);
  }
  OverlayBuffered(&*attr, released_before);
  co_return attr;
}

Task<FsResult<Bytes>> VfsImpl::ReadLink(Ino ino) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  auto target = co_await namespace_.ReadSymlink(*ref);
  if (target.ok()) {
    atimes_.Add(*ref, WallTime(env_.clock));
  }
  co_return target;
}

Task<Errno> VfsImpl::SetXattr(Ino ino, Bytes name, Bytes value, int flags, bool kill_sgid) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  const bool is_consistency = name == kConsistencyName;
  const Errno done = co_await namespace_.SetXattr(*ref, std::move(name), std::move(value),
                                                  (flags & XATTR_CREATE) != 0,
                                                  (flags & XATTR_REPLACE) != 0, kill_sgid);
  if (done.ok() && is_consistency) {
    (void)co_await GetAttr(ino);  // from now on the kernel keeps its names, or does not
  }
  co_return done;
}

Task<FsResult<Bytes>> VfsImpl::GetXattr(Ino ino, Bytes name) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  auto value = co_await namespace_.GetXattr(*ref, std::move(name));
  if (!value.ok() && value.error() == Errno(ENOENT) && inodes_.FindGone(ino)) {
    co_return Errno(ENODATA);  // asked for the ACL when somebody looks into a removed directory
  }
  co_return value;
}

Task<FsResult<std::vector<Bytes>>> VfsImpl::ListXattrs(Ino ino) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  auto names = co_await namespace_.ListXattrs(*ref);
  if (!names.ok() && names.error() == Errno(ENOENT) && inodes_.FindGone(ino)) {
    co_return std::vector<Bytes>{};
  }
  co_return names;
}

Task<Errno> VfsImpl::RemoveXattr(Ino ino, Bytes name) {
  auto ref = Ref(ino);
  if (!ref.ok()) {
    co_return ref.error();
  }
  const Errno done = co_await namespace_.RemoveXattr(*ref, std::move(name));
  co_return done;
}

}  // namespace kvfs::fs
