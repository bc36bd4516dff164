#include "fs/vfs/open_set.h"

namespace kvfs::fs {

OpenSet::OpenSet(env::Scheduler* scheduler, const FileManager* files, const InodeTable* inodes)
    : files_(files), inodes_(inodes) {
  for (size_t i = 0; i < kLocks; ++i) {
    locks_.push_back(std::make_unique<env::AsyncMutex>(scheduler));
  }
}

Task<env::AsyncMutex::Guard> OpenSet::HoldOpens(Ino ino) {
  auto guard = co_await locks_[ino % kLocks]->Lock();
  co_return guard;
}

bool OpenSet::IsOpen(Ino ino) const {
  {
    std::lock_guard lock(mutex_);
    if (pins_.contains(ino)) {
      return true;
    }
  }
  return files_->IsOpen(ino);
}

bool OpenSet::IsKnown(Ino ino) const { return inodes_->Find(ino).has_value(); }

void OpenSet::Pin(Ino ino) {
  std::lock_guard lock(mutex_);
  ++pins_[ino];
}

void OpenSet::Unpin(Ino ino) {
  std::lock_guard lock(mutex_);
  auto it = pins_.find(ino);
  if (it != pins_.end() && --it->second == 0) {
    pins_.erase(it);
  }
}

void OpenSet::AddOrphan(Ino ino) {
  std::lock_guard lock(mutex_);
  orphans_.insert(ino);
}

bool OpenSet::HasOrphan(Ino ino) const {
  std::lock_guard lock(mutex_);
  return orphans_.contains(ino);
}

bool OpenSet::TakeOrphan(Ino ino) {
  {
    std::lock_guard lock(mutex_);
    if (!orphans_.contains(ino)) {
      return false;
    }
  }
  if (IsOpen(ino) || IsKnown(ino)) {
    return false;
  }
  std::lock_guard lock(mutex_);
  return orphans_.erase(ino) > 0;
}

}  // namespace kvfs::fs
