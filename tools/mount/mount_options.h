// What `kvfs mount` was asked for: its flags and its -o options in one value. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fs/fuse/fuse_options.h"
#include "kvcore/base/status.h"
#include "tools/common/members.h"

namespace kvfs::tools {

struct MountOptions {
  std::string data;                    // empty: the default directory
  std::vector<NodeAddress> peers;      // empty: an embedded node
  std::string cluster;                 // of the peers
  std::string key_file;                // with keys: the own ones,
  std::string allow_file;              // and those of the nodes
  uint64_t capacity_bytes = 0;         // 0: the disk's
  uint64_t memory_bytes = 512u << 20;  // 64 MiB .. 1 TiB
  bool read_only = false;
  bool nonempty = false;
  int64_t lock_lease_micros = 15'000'000;  // of the locks of a mount of a cluster; 3 s .. 1 h
  bool no_atime = false;                   // reads move no access times
  std::string http;                        // HOST:PORT for metrics and the web page; empty: nowhere
  bool supervised = false;                 // a supervisor is the parent of this process
  bool allow_other = false;
  bool default_permissions = false;
  std::vector<std::string> kernel;  // passed on to mount(2) as they are
  fs::FuseOptions fuse;             // source, data_directory and mount_options are filled in later
};

// A mount of a cluster, at these addresses: others may change the tree, so the kernel keeps what
// it was told for a short time only, unless options that are parsed later say otherwise.
void UsePeers(std::vector<NodeAddress> peers, MountOptions* options);

// Takes one comma-separated list of -o into `options`; a later word wins. InvalidArgument naming
// the word that is not understood.
Status ParseMountOptions(std::string_view list, MountOptions* options);

// Bounds on what the flags and options gave.
Status CheckMountOptions(const MountOptions& options);

// The options for libfuse. Root mounts for everybody; others for themselves. The kernel always
// checks permissions (default_permissions).
std::vector<std::string> LibfuseOptions(const MountOptions& options, bool is_root);

// How the memory of `--memory` is divided, bytes.
struct MemoryPlan {
  uint64_t store = 0;  // memtables and block cache
  uint64_t write_buffer = 0;
  uint64_t chunk_cache = 0;
};
MemoryPlan DivideMemory(uint64_t total);

}  // namespace kvfs::tools
