#include "fs/vfs/atime_queue.h"

#include "fs/meta/namespace.h"

namespace kvfs::fs {

void AtimeQueue::Add(InodeRef ref, TimeSpec when) {
  if (!is_on_) {
    return;
  }
  std::lock_guard lock(mutex_);
  if (touches_.size() < kMaxTouches || touches_.contains(ref.ino)) {
    touches_[ref.ino] = {.ref = ref, .when = when};
    is_empty_ = false;
  }
}

void AtimeQueue::Drop(Ino ino) {
  if (is_empty_) {
    return;
  }
  std::lock_guard lock(mutex_);
  touches_.erase(ino);
  is_empty_ = touches_.empty();
}

void AtimeQueue::Overlay(Attr* attr) const {
  if (is_empty_) {
    return;
  }
  std::lock_guard lock(mutex_);
  auto it = touches_.find(attr->ino);
  if (it != touches_.end() && RelatimeIsDue(*attr, it->second.when)) {
    attr->atime = it->second.when;
  }
}

std::vector<AtimeQueue::Touch> AtimeQueue::TakeAll() {
  std::lock_guard lock(mutex_);
  std::vector<Touch> all;
  all.reserve(touches_.size());
  for (const auto& [ino, touch] : touches_) {
    all.push_back(touch);
  }
  touches_.clear();
  is_empty_ = true;
  return all;
}

}  // namespace kvfs::fs
