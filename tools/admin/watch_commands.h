// The commands of kvfs-admin that watch for a while: what nodes or a mount do just now, and what
// takes long; and the bundle for whoever helps. Each returns an exit code, or the error to be
// printed.
#pragma once

#include <cstdint>
#include <string>

#include "tools/admin/commands.h"

namespace kvfs::tools {

struct TopFlags {
  double interval_seconds = 2;  // 0.1 .. 3600
  uint32_t count = 0;           // so many pictures; 0: until interrupted
};
// Per node, or of a mount: operations, latencies, cache, bytes.
Result<int> TopCommand(const AdminFlags& flags, const TopFlags& top);
// Of the mount at `mountpoint`, for `seconds`: each kind of operation, and the slowest single ones.
Result<int> ProfileCommand(const AdminFlags& flags, const std::string& mountpoint, double seconds);
// Everything that helps to find out what is wrong, in a .tar.gz. No content, no names, no keys.
Result<int> SupportBundleCommand(const AdminFlags& flags, const std::string& file);

}  // namespace kvfs::tools
