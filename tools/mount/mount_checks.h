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

// The mount point is a directory, no kvfs mount, and empty (unless it need not be).
Status CheckMountpoint(const std::string& mountpoint, bool may_be_nonempty);

// What a daemon that died leaves at its mount point, everything answering ENOTCONN, is still there.
// kConflict: somebody took it away, or mounted something upon it.
Status CheckLeftByDeadDaemon(const MountPlaces& places);
// Takes away all of kvfs's dead mounts that are seen at `mountpoint`, one below the other.
Status TakeAwayDeadMounts(const std::string& mountpoint);
// The same, but for one, which keeps the directory below covered until a new mount lies on it.
Status KeepOneDeadMount(const MountPlaces& places);

// The two may not contain each other.
Status CheckApart(const MountPlaces& places);

// What is to hold the log of a cluster's mount is no store.
Status CheckHoldsNoStore(const std::string& directory);

// Unmounts `mountpoint` without waiting for users or daemon.
Status UnmountLazily(const std::string& mountpoint);

}  // namespace kvfs::tools
