// Fsck: checks that names, inodes and counts agree, by walking every directory from
// the root, then those that no name leads to; with `repair` puts right what does not, and
// looks again until nothing is left.
//
// A function over a Client; keeps no state. To be run with nobody changing the tree;
// without repair it may run beside a mount: what it then finds it looks at a second
// time, and only what is wrong both times is reported. Memory: some 200 bytes per
// directory and per file whose names are not all in its home.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::fs {

struct FsckProblem {
  enum class Kind : uint8_t {
    kUnreadable,           // an item that does not decode, or lies under a wrong key
    kDanglingEntry,        // a name without its inode
    kWrongEntryType,       // the entry says another type than the inode
    kWrongLinks,           // an inode's count or list of links is not that of its names
    kNameless,             // an inode with links but no name
    kUnreachable,          // a directory that no name leads to
    kUnlistedOrphan,       // an inode without links that the work index does not know
    kWrongSubdirectories,  // a directory's count of subdirectories
    kWrongPlace,           // a directory whose record names another parent or name
    kSecondName,           // a directory under a second name
    kNotAlive,             // a directory that takes no new names
    kStrayItem,            // content, xattr or link of an inode that does not exist
  };
  Kind kind = Kind::kUnreadable;
  InodeRef inode;     // that the problem is with
  Ino directory = 0;  // the pk it was found in
  Bytes key;          // ck of the item, where there is one
  std::string where;  // path of the directory, and the name
  std::string text;
  bool is_repaired = false;
};
const char* KindName(FsckProblem::Kind kind);

struct FsckReport {
  uint64_t directories = 0;
  uint64_t files = 0;    // inodes that are not directories, orphans among them
  uint64_t names = 0;    // of both
  uint64_t orphans = 0;  // unlinked and not yet reclaimed
  std::vector<FsckProblem> problems;
};

// The directories among the partition keys of a store; and what is left of removed ones, where
// files may still be at home.
std::vector<Ino> HomesAmong(const std::vector<Bytes>& partition_keys);

// `homes`: those the store holds (HomesAmong), read before; without them, what no name leads to is
// not found. An error only where the store cannot be read; what is wrong with the tree is in the
// report: of a repair, the problems of all its rounds, and the counts of the last.
Task<FsResult<FsckReport>> CheckFilesystem(client::Client* client, env::Env env,
                                           std::vector<Ino> homes, bool repair);

}  // namespace kvfs::fs
