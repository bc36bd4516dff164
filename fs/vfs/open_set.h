// OpenSet: keeps opens and the removal of last links of one inode apart, and knows
// which inodes are open or may yet be opened, and which are orphans.
//
// Owned by the Vfs. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fs/meta/namespace.h"
#include "fs/vfs/file_manager.h"
#include "fs/vfs/inode_table.h"

namespace kvfs::fs {

class OpenSet : public OpenFiles {
 public:
  // `files` and `inodes` are borrowed.
  OpenSet(env::Scheduler* scheduler, const FileManager* files, const InodeTable* inodes);

  Task<env::AsyncMutex::Guard> HoldOpens(Ino ino) override;
  bool IsOpen(Ino ino) const override;
  bool IsKnown(Ino ino) const override;

  // An inode that is not open yet counts as open from Pin to Unpin: a file under creation.
  void Pin(Ino ino);
  void Unpin(Ino ino);

  // An inode without links waits until it is neither open nor known.
  void AddOrphan(Ino ino);
  bool HasOrphan(Ino ino) const;
  // True, once, if the inode is an orphan that has waited long enough: reclaim it.
  bool TakeOrphan(Ino ino);

 private:
  static constexpr size_t kLocks = 64;

  const FileManager* const files_;
  const InodeTable* const inodes_;
  std::vector<std::unique_ptr<env::AsyncMutex>> locks_;  // by inode number
  mutable std::mutex mutex_;                             // guards the two below
  std::unordered_map<Ino, uint32_t> pins_;
  std::unordered_set<Ino> orphans_;
};

}  // namespace kvfs::fs
