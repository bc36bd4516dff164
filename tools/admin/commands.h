// The commands of kvfs-admin. Each prints its answer and returns an exit code, or the
// error to be printed.
#pragma once

#include <string>

#include "kvcore/base/status.h"

namespace kvfs::tools {

struct AdminFlags {
  std::string store;    // as the user named it: data directory or mount point; may be empty
  std::string peer;     // a node of a cluster, "host:port"; empty: `store` is meant
  std::string cluster;  // its name
  bool json = false;
};

Result<int> StatusCommand(const AdminFlags& flags, bool watch);
Result<int> ExplainCommand(const AdminFlags& flags, const std::string& path);
Result<int> CheckpointCommand(const AdminFlags& flags, const std::string& directory);
Result<int> CollectCommand(const AdminFlags& flags);
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
