// What must hold before a mount: the places are there, fit together and are free.
#pragma once

#include <string>

#include "kvcore/base/status.h"
#include "tools/mount/mount_options.h"

namespace kvfs::tools {

struct MountPlaces {
  std::string mountpoint;      // canonical
  std::string data_directory;  // canonical; may not exist yet
};

// Finds the two places of a mount, heals a mount point left behind by a dead daemon, and refuses:
// a mount point that is missing, no directory, occupied by another kvfs or not empty (unless told
// so), and places one of which lies in the other.
Result<MountPlaces> PrepareMount(const std::string& mountpoint, const MountOptions& options);

// The two may not contain each other.
Status CheckApart(const MountPlaces& places);

// Unmounts `mountpoint` without waiting for users or daemon.
Status UnmountLazily(const std::string& mountpoint);

}  // namespace kvfs::tools
