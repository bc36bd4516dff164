// Options of one FUSE mount. Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kvfs::fs {

struct FuseOptions {
  // Shown as the source of the mount in /proc/mounts and by df.
  std::string source;
  // The data directory behind the mount; the answer to the virtual attribute kDataXattr.
  std::string data_directory;
  // What libfuse and mount(2) understand: "allow_other", "ro", "noexec", ...
  std::vector<std::string> mount_options;
  // How long the kernel may keep what it was told, seconds. Long where nobody else changes the
  // tree behind its back.
  double entry_seconds = 86'400;
  double negative_seconds = 86'400;
  double attr_seconds = 86'400;
  // Other mounts change the tree too; the kernel is told of that.
  bool is_shared = false;
  // Names and inodes that wait to be told to the kernel; of more it finds out by its time-outs. 1
  // .. 1,000,000.
  size_t max_notifications = 10'000;
  // Lets the kernel hold written pages back (see doc/mount.md for what that costs).
  bool writeback = false;
  // Lets the kernel keep directory listings.
  bool cache_readdir = false;
  // Threads that read requests; each serves one at a time unless the request has to wait. 1 .. 256.
  uint32_t threads = 4;
  // Operations that take at least so long are remembered for `kvfs-admin profile`, microseconds. 1
  // .. 10^9.
  int64_t slow_micros = 10'000;
  // Largest write the kernel sends at once, bytes. 4 KiB .. 1 MiB.
  uint32_t max_write_bytes = 1u << 20;
  // Read-ahead asked for, bytes; the kernel caps it at the device's read_ahead_kb.
  uint32_t max_readahead_bytes = 4u << 20;
};

// Reading this extended attribute of anything in a mount names the data directory behind it.
inline constexpr char kDataXattr[] = "user.kvfs.data";

}  // namespace kvfs::fs
