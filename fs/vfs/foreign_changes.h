// ForeignChanges: what items that other mounts have changed mean for what this one and its kernel
// remember. Pure functions on values.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "fs/meta/types.h"
#include "kvcore/client/types.h"

namespace kvfs::fs {

struct ForeignChanges {
  std::set<std::pair<Ino, Bytes>> names;  // (directory, name)
  std::set<Ino> attributes;               // and nothing else of the inode
  std::set<Ino> contents;                 // perhaps the content, and the attributes
  std::set<Ino> locks;                    // who has locked the file
  std::set<Ino> homes;                    // perhaps anything of what lies under these pks
  bool everything = false;                // perhaps anything

  bool empty() const { return size() == 0 && !everything; }
  size_t size() const {
    return names.size() + attributes.size() + contents.size() + locks.size() + homes.size();
  }
};

// Both together. Of more than `most` inodes and names it is everything.
void Add(ForeignChanges* all, ForeignChanges more, size_t most);

// Keys that are none of the filesystem's, and those that nobody remembers, are left out.
ForeignChanges Understand(const std::vector<client::Change>& changes);

}  // namespace kvfs::fs
