// What is mounted, from /proc/self/mountinfo; read without touching the mounts, so it
// works while one of them hangs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvfs::tools {

inline constexpr std::string_view kFsType = "fuse.kvfs";

struct MountEntry {
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::string mountpoint;
  std::string type;
  std::string source;  // of a kvfs mount: its data directory

  bool is_kvfs() const { return type == kFsType; }
};

// Lines of mountinfo; what cannot be read is left out. In the order of mounting.
std::vector<MountEntry> ParseMountInfo(std::string_view text);
std::vector<MountEntry> ReadMounts();

// What is seen at canonical `path` itself: the last mount there.
std::optional<MountEntry> MountAt(const std::vector<MountEntry>& mounts, std::string_view path);
// What canonical `path` lies in.
std::optional<MountEntry> MountOf(const std::vector<MountEntry>& mounts, std::string_view path);
// A kvfs mount of the data directory.
std::optional<MountEntry> MountOfData(const std::vector<MountEntry>& mounts,
                                      std::string_view data_directory);

}  // namespace kvfs::tools
