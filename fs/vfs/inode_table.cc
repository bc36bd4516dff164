#include "fs/vfs/inode_table.h"

namespace kvfs::fs {

void InodeTable::Remember(InodeRef ref) {
  if (ref.ino == kRootIno) {
    return;
  }
  Shard& shard = ShardOf(ref.ino);
  std::lock_guard lock(shard.mutex);
  Entry& entry = shard.entries[ref.ino];
  entry.home = ref.home;
  ++entry.lookups;
}

bool InodeTable::Forget(Ino ino, uint64_t count) {
  Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  auto it = shard.entries.find(ino);
  if (it == shard.entries.end()) {
    return false;
  }
  if (it->second.lookups > count) {
    it->second.lookups -= count;
    return false;
  }
  shard.entries.erase(it);
  shard.gone.erase(ino);
  return true;
}

std::optional<InodeRef> InodeTable::Find(Ino ino) const {
  if (ino == kRootIno) {
    return InodeRef{.ino = kRootIno, .home = kRootIno};
  }
  const Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  auto it = shard.entries.find(ino);
  if (it == shard.entries.end()) {
    return std::nullopt;
  }
  return InodeRef{.ino = ino, .home = it->second.home};
}

void InodeTable::SetGone(const Attr& attr) {
  Shard& shard = ShardOf(attr.ino);
  std::lock_guard lock(shard.mutex);
  if (shard.entries.contains(attr.ino)) {
    shard.gone[attr.ino] = attr;
  }
}

std::optional<Attr> InodeTable::FindGone(Ino ino) const {
  const Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  auto it = shard.gone.find(ino);
  if (it == shard.gone.end()) {
    return std::nullopt;
  }
  return it->second;
}

uint64_t InodeTable::size() const {
  uint64_t total = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    total += shard.entries.size();
  }
  return total;
}

}  // namespace kvfs::fs
