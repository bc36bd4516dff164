// InodeTable: which inodes the kernel knows, how often it was told of each, and
// where each lies in the store. At most 64 bytes per remembered inode.
//
// Owned by the Vfs. Thread-safe: sharded by number, no lock is held across calls.
// The root is always known. An inode whose record is gone (a removed directory, an
// unlinked file) keeps its last attributes here while the kernel still asks for them.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "fs/meta/types.h"

namespace kvfs::fs {

class InodeTable {
 public:
  // Counts a lookup.
  void Remember(InodeRef ref);
  // Takes lookups back; with the last one the inode is forgotten: true.
  bool Forget(Ino ino, uint64_t count);
  std::optional<InodeRef> Find(Ino ino) const;

  // Keeps the attributes of an inode without a record until it is forgotten.
  void SetGone(const Attr& attr);
  std::optional<Attr> FindGone(Ino ino) const;

  uint64_t size() const;

 private:
  struct Entry {
    Ino home = 0;
    uint64_t lookups = 0;
  };
  struct Shard {
    mutable std::mutex mutex;  // guards all below
    std::unordered_map<Ino, Entry> entries;
    std::unordered_map<Ino, Attr> gone;
  };
  static constexpr size_t kShards = 16;

  Shard& ShardOf(Ino ino) { return shards_[ino % kShards]; }
  const Shard& ShardOf(Ino ino) const { return shards_[ino % kShards]; }

  std::array<Shard, kShards> shards_;
};

}  // namespace kvfs::fs
