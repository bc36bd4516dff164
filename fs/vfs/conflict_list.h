// ConflictList: what became of conflicts, for people (`kvfs-admin conflicts`).
//
// Functions over a Client; no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::fs {

struct ListedVersion {
  client::Dot dot;
  client::HybridTime time = 0;
  Ino ino = 0;
  std::string path;  // where it was put
  uint64_t size = 0;
  bool is_there = false;  // and is still found
};

struct ListedConflict {
  Bytes id;  // ck of the note
  std::string kind;
  client::HybridTime time = 0;
  std::vector<ListedVersion> versions;  // the winner first
};

// All of them, oldest first, at most `limit`; with `path` those of which one version is, or was, at
// that path or is the inode there now.
Task<FsResult<std::vector<ListedConflict>>> ListConflicts(client::Client* client, env::Env env,
                                                          Bytes path, size_t limit);

// Forgets the note; with `newest` the copies that it names are unlinked before, if they are where
// they were put.
Task<Errno> SettleConflict(client::Client* client, env::Env env, ListedConflict conflict,
                           bool newest);

}  // namespace kvfs::fs
