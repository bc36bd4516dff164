#include "fs/fuse/fuse_convert.h"

#include <linux/fs.h>

#include "fs/fuse/libfuse.h"

namespace kvfs::fs {
namespace {

timespec ToTimespec(const TimeSpec& time) {
  return timespec{.tv_sec = time.seconds, .tv_nsec = static_cast<long>(time.nanos)};
}

TimeSpec FromTimespec(const timespec& time) {
  return TimeSpec{.seconds = time.tv_sec, .nanos = static_cast<uint32_t>(time.tv_nsec)};
}

}  // namespace

struct stat ToStat(const Attr& attr) {
  struct stat out {};
  out.st_ino = attr.ino;
  out.st_mode = attr.mode;
  out.st_nlink = attr.nlink;
  out.st_uid = attr.uid;
  out.st_gid = attr.gid;
  out.st_rdev = attr.rdev;
  out.st_size = static_cast<off_t>(attr.size);
  out.st_blocks = static_cast<blkcnt_t>(attr.blocks_512);
  out.st_blksize = 4096;
  out.st_atim = ToTimespec(attr.atime);
  out.st_mtim = ToTimespec(attr.mtime);
  out.st_ctim = ToTimespec(attr.ctime);
  return out;
}

SetAttrRequest ToSetAttr(const struct stat& attr, int to_set) {
  SetAttrRequest request;
  request.set_mode = (to_set & FUSE_SET_ATTR_MODE) != 0;
  request.set_uid = (to_set & FUSE_SET_ATTR_UID) != 0;
  request.set_gid = (to_set & FUSE_SET_ATTR_GID) != 0;
  request.set_size = (to_set & FUSE_SET_ATTR_SIZE) != 0;
  request.set_atime = (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) != 0;
  request.set_mtime = (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) != 0;
  request.atime_now = (to_set & FUSE_SET_ATTR_ATIME_NOW) != 0;
  request.mtime_now = (to_set & FUSE_SET_ATTR_MTIME_NOW) != 0;
  request.set_ctime = (to_set & FUSE_SET_ATTR_CTIME) != 0;
  request.kill_suid_sgid = (to_set & FUSE_SET_ATTR_KILL_SUID) != 0;  // FATTR_KILL_SUIDGID
  request.mode = attr.st_mode & 07777;
  request.uid = attr.st_uid;
  request.gid = attr.st_gid;
  request.size = static_cast<uint64_t>(attr.st_size);
  request.atime = FromTimespec(attr.st_atim);
  request.mtime = FromTimespec(attr.st_mtim);
  request.ctime = FromTimespec(attr.st_ctim);
  return request;
}

bool ChangesNothing(int to_set) {
  return (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID |
                    FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME |
                    FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME)) == 0;
}

std::optional<RenameMode> ToRenameMode(unsigned flags) {
  switch (flags) {
    case 0:
      return RenameMode::kReplace;
    case RENAME_NOREPLACE:
      return RenameMode::kNoReplace;
    case RENAME_EXCHANGE:
      return RenameMode::kExchange;
    default:
      return std::nullopt;
  }
}

struct statvfs ToStatVfs(const FsSpace& space) {
  struct statvfs out {};
  out.f_bsize = space.block_bytes;
  out.f_frsize = space.block_bytes;
  out.f_blocks = space.total_bytes / space.block_bytes;
  out.f_bfree = space.available_bytes / space.block_bytes;
  out.f_bavail = out.f_bfree;
  // Inodes are not counted out beforehand: as many as the space has room for small files.
  out.f_files = out.f_blocks;
  out.f_ffree = out.f_bfree;
  out.f_favail = out.f_bavail;
  out.f_namemax = kMaxNameBytes;
  return out;
}

}  // namespace kvfs::fs
