// SimDisk: a simulated disk with its directory tree. Each directory and file has
// the state the kernel shows and the state that would survive a power loss.
// Names and their errors behave as on Linux. Not thread-safe; SimFileSystem is
// the face of it.
//
// What a power loss may leave of the directory operations since the last sync of
// the directory: any prefix of them, chosen for each directory by itself; but a
// rename between two directories is there in both or in neither.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/status.h"
#include "kvcore/env/random.h"
#include "kvcore/env/sim/sim_file_content.h"

namespace kvfs::env::sim {

struct SimNode;
using SimNodePtr = std::shared_ptr<SimNode>;
using SimEntries = std::map<std::string, SimNodePtr>;

struct SimNode {
  // One atomic change of a directory's names.
  struct Change {
    std::vector<std::pair<std::string, SimNodePtr>> sets;  // null: the name goes
    uint64_t id = 0;                                       // the same in both directories
    std::weak_ptr<SimNode> other;                          // the other directory of a rename
  };

  SimNode(bool directory, uint64_t its_serial) : is_directory(directory), serial(its_serial) {}

  const bool is_directory;
  const uint64_t serial;  // of no other file or directory of the disk, ever
  // A file.
  SimFileContent content;
  uint64_t reserved = 0;
  int handles = 0;  // open ones, of this boot
  bool locked = false;
  // A directory.
  SimEntries entries;
  SimEntries durable_entries;
  std::vector<Change> changes;  // since the last sync
};

class SimDisk {
 public:
  SimDisk() : root_(std::make_shared<SimNode>(true, 0)) {}
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;
  ~SimDisk();

  Result<SimNodePtr> Find(const std::string& path) const;
  Result<SimNodePtr> FindFile(const std::string& path) const;
  // kAlreadyExists if there is such a name.
  Result<SimNodePtr> CreateFile(const std::string& path);
  Status CreateDirectory(const std::string& path);
  Status Rename(const std::string& from, const std::string& to);
  Status Link(const std::string& from, const std::string& to);
  Status Unlink(const std::string& path);
  Status RemoveDirectory(const std::string& path);
  Status SyncDirectory(const std::string& path);

  // Bytes taken by files that have a name or an open handle.
  uint64_t UsedBytes() const;

  // What a death of the process does: locks and handles go; the kernel's state stays.
  void CloseAll();
  // What a power loss leaves; includes CloseAll. Without `fixed`, the survival of each file and
  // directory is drawn by itself.
  void LosePower(Random& random, const Survival* fixed);

  // An independent disk in the same state, unsynced changes included.
  std::unique_ptr<SimDisk> Clone() const;

 private:
  struct Place {
    SimNodePtr directory;
    std::string name;
  };
  static Result<std::vector<std::string>> Split(const std::string& path);
  Result<Place> FindPlace(const std::string& path) const;
  void Apply(const SimNodePtr& directory, SimNode::Change change);
  static void Commit(SimNode* directory, size_t count);
  std::vector<SimNodePtr> AllNodes() const;

  SimNodePtr root_;
  uint64_t last_change_ = 0;
  uint64_t last_serial_ = 0;
};

}  // namespace kvfs::env::sim
