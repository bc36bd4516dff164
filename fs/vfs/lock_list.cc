#include "fs/vfs/lock_list.h"

#include <algorithm>
#include <utility>

namespace kvfs::fs {

std::optional<FileLock> LockList::Conflict(const FileLock& wanted) const {
  std::optional<FileLock> first;
  for (const FileLock& lock : locks_) {
    if (lock.owner.kind == wanted.owner.kind && lock.owner != wanted.owner &&
        (lock.exclusive || wanted.exclusive) && lock.Overlaps(wanted) &&
        (!first.has_value() || lock.begin < first->begin)) {
      first = lock;
    }
  }
  return first;
}

void LockList::Clear(const LockOwner& owner, uint64_t begin, uint64_t last) {
  std::vector<FileLock> left;
  for (const FileLock& lock : locks_) {
    if (lock.owner != owner || lock.last < begin || last < lock.begin) {
      left.push_back(lock);
      continue;
    }
    if (lock.begin < begin) {
      left.push_back(lock);
      left.back().last = begin - 1;
    }
    if (last < lock.last) {
      left.push_back(lock);
      left.back().begin = last + 1;
    }
  }
  locks_ = std::move(left);
}

void LockList::Set(const FileLock& lock) {
  Clear(lock.owner, lock.begin, lock.last);
  FileLock joined = lock;
  // Neighbours of the same kind become one, so that the list does not grow with use.
  std::erase_if(locks_, [&](const FileLock& other) {
    if (other.owner != lock.owner || other.exclusive != lock.exclusive) {
      return false;
    }
    const bool is_before = other.last < lock.begin && other.last + 1 == lock.begin;
    const bool is_behind = lock.last < other.begin && lock.last + 1 == other.begin;
    if (is_before) {
      joined.begin = other.begin;
    } else if (is_behind) {
      joined.last = other.last;
    }
    return is_before || is_behind;
  });
  locks_.push_back(joined);
}

bool LockList::Holds(const LockOwner& owner, uint64_t begin, uint64_t last) const {
  return std::any_of(locks_.begin(), locks_.end(), [&](const FileLock& lock) {
    return lock.owner == owner && lock.begin <= last && begin <= lock.last;
  });
}

LockList LockList::Of(uint64_t session) const {
  LockList list = *this;
  std::erase_if(list.locks_, [&](const FileLock& l) { return l.owner.session != session; });
  return list;
}

LockList LockList::Without(uint64_t session) const {
  LockList list = *this;
  std::erase_if(list.locks_, [&](const FileLock& l) { return l.owner.session == session; });
  return list;
}

void LockList::Add(const LockList& other) {
  for (const FileLock& lock : other.locks_) {
    if (std::find(locks_.begin(), locks_.end(), lock) == locks_.end()) {
      locks_.push_back(lock);
    }
  }
}

}  // namespace kvfs::fs
