// FsckWalk: one walk over the tree that gathers what is wrong with it; fsck.h runs
// it and repairs.
//
// Used by one coroutine; no synchronisation.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fs/meta/fsck.h"
#include "fs/meta/inode_store.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"

namespace kvfs::fs {

// A name of an inode, as found in a directory.
struct FoundName {
  Ino parent = 0;
  Bytes name;
  uint64_t link_id = 0;
  uint32_t type = 0;
  std::string where;
};

class FsckWalk {
 public:
  // `homes`: all that the store holds, or none.
  FsckWalk(client::Client* client, const std::vector<Ino>* homes)
      : client_(client), homes_(homes) {}

  Task<Errno> Run();

  FsckReport& report() { return report_; }
  // Of inodes whose links are wrong: the names that were found.
  std::vector<FoundName> NamesOf(Ino ino) const;
  // Of directories that count them wrongly: how many were found.
  uint64_t SubdirectoriesOf(Ino ino) const;

 private:
  // A directory that was reached, and is yet to be read.
  struct Reached {
    InodeRef ref;
    Ino parent = 0;
    Bytes name;
    std::string path;
    bool is_lost = false;  // no name leads to it, so its place says nothing
  };
  // A directory that the walk from the root has not come to.
  struct Lost {
    InodeRef ref;
    std::vector<Ino> subdirectories;
  };
  // What is known of an inode that is not a directory.
  struct FileFacts {
    Ino home = 0;
    bool has_record = false;
    uint32_t mode = 0;
    uint32_t nlink = 0;
    int64_t orphan_due_millis = 0;
    std::vector<pb::Link> links;  // as the record and l/ items say
    std::vector<FoundName> names;
  };
  // What one pk holds.
  struct HomeFacts {
    bool is_alive = false;
    uint64_t subdirectories = 0;
    std::map<Ino, std::vector<Bytes>> dependants;  // owner -> keys of c/, l/, x/, p/, k/ items
    std::vector<Ino> records;
  };

  Task<Errno> ReadReached();
  Task<Errno> ReadDirectory(Reached directory);
  Task<Errno> ReadLostDirectories();
  // Nothing if the home is none of a directory any more.
  Task<FsResult<std::optional<Lost>>> LookAtHome(Ino home);
  Task<Errno> ReachLost(InodeRef ref);
  // Reads all items of DirectoryPk(home). `path`: where its names are; empty: it has no directory.
  Task<Errno> ReadHome(Ino home, std::string path, HomeFacts* facts);
  Task<Errno> TakeEntry(const client::Item* item, Ino home, const std::string* path,
                        HomeFacts* facts);
  void TakeRecord(const client::Item& item, Ino home, const std::string& path, HomeFacts* facts);
  void TakeLink(const client::Item& item, Ino home, const std::string& path, HomeFacts* facts);
  void FindStrays(Ino home, const std::string& path, const HomeFacts& facts);
  // Forgets the files of a home about which nothing is left to be learned.
  void SettleFiles(const HomeFacts& facts);
  Task<Errno> ReadForeignHomes();
  Task<Errno> JudgeFiles();
  Task<Errno> ReadOrphanWork();
  void JudgeFile(Ino ino, const FileFacts& facts);
  void Report(FsckProblem::Kind kind, InodeRef inode, Ino directory, Bytes key, std::string where,
              std::string text);

  client::Client* const client_;
  const std::vector<Ino>* const homes_;
  FsckReport report_;
  std::deque<Reached> to_read_;
  std::unordered_set<Ino> directories_;  // reached
  std::unordered_set<Ino> homes_read_;
  std::unordered_map<Ino, FileFacts> files_;
  std::unordered_map<Ino, uint64_t> miscounted_;
  std::set<std::pair<Ino, int64_t>> orphan_work_;  // (inode, due)
};

}  // namespace kvfs::fs
