// AtimeQueue: access times that reads have moved, not yet written: a read never
// waits for a commit. Bounded; over the bound new ones are dropped, since an atime is
// allowed to be late.
//
// Owned by the Vfs. Thread-safe.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "fs/meta/types.h"

namespace kvfs::fs {

class AtimeQueue {
 public:
  struct Touch {
    InodeRef ref;
    TimeSpec when;
  };

  // `is_on`: false drops everything (noatime).
  explicit AtimeQueue(bool is_on) : is_on_(is_on) {}

  void Add(InodeRef ref, TimeSpec when);
  // An explicit utimens is newer than what waits here.
  void Drop(Ino ino);
  // What the attributes will say, by the rule of relatime.
  void Overlay(Attr* attr) const;
  std::vector<Touch> TakeAll();

 private:
  static constexpr size_t kMaxTouches = 16384;

  const bool is_on_;
  mutable std::mutex mutex_;  // guards touches_
  std::unordered_map<Ino, Touch> touches_;
  std::atomic<bool> is_empty_ = true;
};

}  // namespace kvfs::fs
