#include "fs/meta/names.h"

#include "fs/meta/inode_store.h"
#include "fs/meta/posix.h"

namespace kvfs::fs {

Errno CheckName(ByteView name) {
  if (name.empty()) {
    return ENOENT;
  }
  if (name.size() > kMaxNameBytes) {
    return ENAMETOOLONG;
  }
  if (name == "." || name == ".." || name.find('/') != ByteView::npos ||
      name.find('\0') != ByteView::npos) {
    return EINVAL;
  }
  return 0;
}

TimeSpec WallTime(env::Clock* clock) {
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  const int64_t nanos = clock->WallNanos();
  int64_t seconds = nanos / kNanosPerSecond;
  int64_t rest = nanos % kNanosPerSecond;
  if (rest < 0) {
    rest += kNanosPerSecond;
    --seconds;
  }
  return {.seconds = seconds, .nanos = static_cast<uint32_t>(rest)};
}

uint32_t DirentType(uint32_t mode) { return (mode & S_IFMT) >> 12; }

void FillNewRecord(InodeRef ref, uint32_t mode, TimeSpec now, client::HybridTime set_at,
                   pb::Inode* record) {
  record->set_ino(ref.ino);
  record->set_home(ref.home);
  record->set_mode(mode);
  record->set_owner_set_at(set_at);
  for (pb::Time* time : {record->mutable_atime(), record->mutable_mtime(), record->mutable_ctime(),
                         record->mutable_btime()}) {
    SetTime(time, now, set_at);
  }
  record->set_nlink(1);
}

}  // namespace kvfs::fs
