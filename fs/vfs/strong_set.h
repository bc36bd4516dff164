// StrongSet: which of the directories that the kernel knows are strong. What it is told of them it
// must not keep, for a name may be another by the time it is used again. Owned by the Vfs.
// Thread-safe; costs next to nothing where no directory is strong.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "fs/meta/posix.h"
#include "fs/meta/types.h"

namespace kvfs::fs {

class StrongSet {
 public:
  // What the store says of an inode.
  void Note(const Attr& attr) {
    if (!S_ISDIR(attr.mode) || attr.is_strong == Has(attr.ino)) {
      return;
    }
    if (attr.is_strong) {
      Add(attr.ino);
    } else {
      Remove(attr.ino);
    }
  }
  bool Has(Ino directory) const {
    if (!any_.load(std::memory_order_relaxed)) {
      return false;
    }
    std::lock_guard lock(mutex_);
    return all_.contains(directory);
  }
  void Remove(Ino directory) {
    std::lock_guard lock(mutex_);
    all_.erase(directory);
    any_ = !all_.empty();
  }

 private:
  void Add(Ino directory) {
    std::lock_guard lock(mutex_);
    all_.insert(directory);
    any_ = true;
  }

  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;  // guards the next
  std::set<Ino> all_;
};

}  // namespace kvfs::fs
