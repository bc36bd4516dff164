#include "fs/fuse/operation_meters.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>

namespace kvfs::fs {
namespace {

bool IsNeverAnswered(uint32_t opcode) {
  return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

}  // namespace

const char* OperationMeters::NameOf(uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
      return "lookup";
    case FUSE_GETATTR:
      return "getattr";
    case FUSE_SETATTR:
      return "setattr";
    case FUSE_READLINK:
      return "readlink";
    case FUSE_SYMLINK:
      return "symlink";
    case FUSE_MKNOD:
      return "mknod";
    case FUSE_MKDIR:
      return "mkdir";
    case FUSE_UNLINK:
      return "unlink";
    case FUSE_RMDIR:
      return "rmdir";
    case FUSE_RENAME:
      return "rename";
    case FUSE_RENAME2:
      return "rename2";
    case FUSE_LINK:
      return "link";
    case FUSE_OPEN:
      return "open";
    case FUSE_READ:
      return "read";
    case FUSE_WRITE:
      return "write";
    case FUSE_STATFS:
      return "statfs";
    case FUSE_RELEASE:
      return "release";
    case FUSE_FSYNC:
      return "fsync";
    case FUSE_SETXATTR:
      return "setxattr";
    case FUSE_GETXATTR:
      return "getxattr";
    case FUSE_LISTXATTR:
      return "listxattr";
    case FUSE_REMOVEXATTR:
      return "removexattr";
    case FUSE_FLUSH:
      return "flush";
    case FUSE_OPENDIR:
      return "opendir";
    case FUSE_READDIR:
      return "readdir";
    case FUSE_READDIRPLUS:
      return "readdirplus";
    case FUSE_RELEASEDIR:
      return "releasedir";
    case FUSE_FSYNCDIR:
      return "fsyncdir";
    case FUSE_GETLK:
      return "getlk";
    case FUSE_SETLK:
      return "setlk";
    case FUSE_SETLKW:
      return "setlkw";
    case FUSE_ACCESS:
      return "access";
    case FUSE_CREATE:
      return "create";
    case FUSE_IOCTL:
      return "ioctl";
    case FUSE_FALLOCATE:
      return "fallocate";
    case FUSE_LSEEK:
      return "lseek";
    case FUSE_COPY_FILE_RANGE:
      return "copy_file_range";
    default:
      return nullptr;
  }
}

void OperationMeters::Began(const char* request, size_t size, int64_t now_micros) {
  fuse_in_header header{};
  if (size < sizeof(header)) {
    return;
  }
  std::memcpy(&header, request, sizeof(header));
  if (IsNeverAnswered(header.opcode)) {
    return;
  }
  Open open;
  open.unique = header.unique;
  open.operation.opcode = header.opcode;
  open.operation.ino = header.nodeid;
  open.operation.began_micros = now_micros;
  Shard& shard = ShardOf(header.unique);
  const std::lock_guard lock(shard.mutex);
  shard.open.push_back(open);
}

void OperationMeters::Replied(const iovec* reply, int pieces, int64_t now_micros) {
  fuse_out_header header{};
  if (pieces < 1 || reply[0].iov_len < sizeof(header)) {
    return;
  }
  std::memcpy(&header, reply[0].iov_base, sizeof(header));
  Operation ended;
  {
    Shard& shard = ShardOf(header.unique);
    const std::lock_guard lock(shard.mutex);
    const auto found = std::find_if(shard.open.begin(), shard.open.end(),
                                    [&](const Open& open) { return open.unique == header.unique; });
    if (found == shard.open.end()) {
      return;  // a notification
    }
    ended = found->operation;
    *found = shard.open.back();
    shard.open.pop_back();
  }
  ended.took_micros = now_micros - ended.began_micros;
  ended.error = -header.error;
  meters_[ended.opcode % kOpcodes].Note(ended.took_micros, header.error != 0);
  if (ended.took_micros >= slow_micros_) {
    const std::lock_guard lock(slow_mutex_);
    slow_.push_front(ended);
    if (slow_.size() > kSlowKept) {
      slow_.pop_back();
    }
  }
}

std::vector<OperationMeters::Operation> OperationMeters::Running(int64_t now_micros) const {
  std::vector<Operation> running;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const Open& open : shard.open) {
      running.push_back(open.operation);
      running.back().took_micros = now_micros - open.operation.began_micros;
    }
  }
  std::sort(running.begin(), running.end(),
            [](const Operation& a, const Operation& b) { return a.took_micros > b.took_micros; });
  return running;
}

std::vector<OperationMeters::Operation> OperationMeters::Slow() const {
  const std::lock_guard lock(slow_mutex_);
  return {slow_.begin(), slow_.end()};
}

}  // namespace kvfs::fs
