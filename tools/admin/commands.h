// The commands of kvfs-admin. Each prints its answer and returns an exit code, or the
// error to be printed.
#pragma once

#include <string>

#include "kvcore/base/status.h"
#include "kvcore/proto/admin.pb.h"

namespace kvfs::tools {

struct AdminFlags {
  std::string store;    // as the user named it: data directory or mount point; may be empty
  std::string peer;     // a node of a cluster, "host:port"; empty: `store` is meant
  std::string cluster;  // its name
  std::string key;      // files of keys, where the cluster has some
  std::string allow;
  bool json = false;
};

Result<int> StatusCommand(const AdminFlags& flags, bool watch);
Result<int> ExplainCommand(const AdminFlags& flags, const std::string& path);
Result<int> CheckpointCommand(const AdminFlags& flags, const std::string& directory);
Result<int> CollectCommand(const AdminFlags& flags);
// `path`: below a mount point, or one itself. Action as in the request.
Result<int> ConflictsCommand(const AdminFlags& flags, const std::string& path,
                             admin::ConflictsRequest::Action action);
// Makes a key pair and prints its public key.
Result<int> KeygenCommand(const AdminFlags& flags, const std::string& file);
Result<int> EngineStatsCommand(const AdminFlags& flags);
// Needs no daemon: reads one file of a data directory.
Result<int> EngineDumpCommand(const AdminFlags& flags, const std::string& file);

struct FsckFlags {
  bool repair = false;
  bool skip_bytes = false;
};
// Through the daemon where one serves the store, else on the directory itself.
Result<int> FsckCommand(const AdminFlags& flags, const FsckFlags& fsck);

}  // namespace kvfs::tools
