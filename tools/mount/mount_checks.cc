#include "tools/mount/mount_checks.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "tools/common/mounts.h"
#include "tools/common/paths.h"
#include "tools/common/process.h"

namespace kvfs::tools {
namespace {

constexpr int kMostDeadMounts = 8;  // on each other

// A daemon that died leaves a mount where everything answers ENOTCONN (or, if it was aborted,
// ECONNABORTED); but stat(2) may still be answered by the kernel from memory, so ask for what it
// does not remember.
bool IsDead(const std::string& mountpoint) {
  struct statfs space {};
  return statfs(mountpoint.c_str(), &space) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

}  // namespace

Status TakeAwayDeadMounts(const std::string& mountpoint) {
  for (int round = 0; IsDead(mountpoint); ++round) {
    auto entry = MountAt(ReadMounts(), mountpoint);
    if (!entry.has_value()) {
      continue;  // somebody else has just taken it away
    }
    if (!entry->is_kvfs()) {
      return Status::Busy(mountpoint + " holds a dead mount that is not kvfs's (" + entry->type +
                          "); unmount it first: umount -l " + mountpoint);
    }
    Status status = UnmountLazily(mountpoint);
    if (!status.ok() && round >= kMostDeadMounts) {
      return status;
    }
  }
  return Status::Ok();
}

Status CheckLeftByDeadDaemon(const MountPlaces& places) {
  const auto entry = MountAt(ReadMounts(), places.mountpoint);
  if (!entry.has_value() || !entry->is_kvfs()) {
    return Status(Code::kConflict, places.mountpoint + " was unmounted meanwhile");
  }
  if (!IsDead(places.mountpoint)) {
    return Status(Code::kConflict, places.mountpoint + " was mounted anew meanwhile");
  }
  return Status::Ok();
}

Status KeepOneDeadMount(const MountPlaces& places) {
  for (int round = 0; round < kMostDeadMounts; ++round) {
    KVFS_RETURN_IF_ERROR(CheckLeftByDeadDaemon(places));
    const auto mounts = ReadMounts();
    const auto dead = std::count_if(mounts.begin(), mounts.end(), [&](const MountEntry& entry) {
      return entry.mountpoint == places.mountpoint && entry.is_kvfs();
    });
    if (dead <= 1) {
      break;
    }
    KVFS_RETURN_IF_ERROR(UnmountLazily(places.mountpoint));
  }
  return Status::Ok();
}

Status CheckMountpoint(const std::string& mountpoint, bool may_be_nonempty) {
  struct stat attr {};
  if (stat(mountpoint.c_str(), &attr) != 0) {
    if (errno == ENOENT) {
      return Status::NotFound("the mount point " + mountpoint +
                              " does not exist; create it first: mkdir -p " + mountpoint);
    }
    return ErrnoStatus("cannot reach the mount point " + mountpoint, errno);
  }
  if (!S_ISDIR(attr.st_mode)) {
    return Status::InvalidArgument("the mount point " + mountpoint + " is not a directory");
  }
  if (auto entry = MountAt(ReadMounts(), mountpoint); entry.has_value() && entry->is_kvfs()) {
    return Status::Busy(mountpoint + " is in use already: " + entry->source +
                        " is mounted there (kvfs umount " + mountpoint + ")");
  }
  if (!may_be_nonempty) {
    std::error_code error;
    std::filesystem::directory_iterator entries(mountpoint, error);
    if (error) {
      return Status::IoError("cannot read the mount point " + mountpoint + ": " + error.message());
    }
    if (entries != std::filesystem::directory_iterator()) {
      return Status::InvalidArgument("the mount point " + mountpoint +
                                     " is not empty, and what is in it would be hidden; choose "
                                     "another, or mount over it with -o nonempty");
    }
  }
  return Status::Ok();
}

Status UnmountLazily(const std::string& mountpoint) {
  if (geteuid() == 0) {
    return umount2(mountpoint.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0
               ? Status::Ok()
               : ErrnoStatus("cannot unmount " + mountpoint, errno);
  }
  const Outcome outcome = RunCommand({"fusermount3", "-u", "-z", "-q", mountpoint});
  return outcome.exit_code == 0
             ? Status::Ok()
             : Status::IoError("cannot unmount " + mountpoint + ": " + outcome.output);
}

Status CheckApart(const MountPlaces& places) {
  if (IsWithin(places.data_directory, places.mountpoint)) {
    return Status::InvalidArgument("the data directory " + places.data_directory +
                                   " lies in the mount point " + places.mountpoint +
                                   ": the mount would hide its own data; choose places apart");
  }
  if (IsWithin(places.mountpoint, places.data_directory)) {
    return Status::InvalidArgument("the mount point " + places.mountpoint +
                                   " lies in the data directory " + places.data_directory +
                                   ", which belongs to kvfs alone; choose places apart");
  }
  return Status::Ok();
}

Status CheckHoldsNoStore(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::exists(directory + "/FORMAT", error)) {
    return Status::InvalidArgument("the directory " + directory +
                                   " holds a store; the mount of a cluster needs another one for "
                                   "its log");
  }
  return Status::Ok();
}

Result<MountPlaces> PrepareMount(const std::string& mountpoint, const MountOptions& options) {
  MountPlaces places;
  KVFS_ASSIGN_OR_RETURN(places.mountpoint, CanonicalPath(mountpoint));
  KVFS_RETURN_IF_ERROR(TakeAwayDeadMounts(places.mountpoint));
  // The kernel mounts on what a link points to.
  KVFS_ASSIGN_OR_RETURN(places.mountpoint, ResolvedPath(places.mountpoint));
  KVFS_RETURN_IF_ERROR(TakeAwayDeadMounts(places.mountpoint));
  std::string data = options.data;
  if (data.empty()) {
    KVFS_ASSIGN_OR_RETURN(data, DefaultDataDirectory(geteuid()));
    if (!options.peers.empty()) {
      data += "-mounts/" + EscapedPath(places.mountpoint);
    }
  }
  KVFS_ASSIGN_OR_RETURN(places.data_directory, ResolvedPath(data));
  KVFS_RETURN_IF_ERROR(CheckApart(places));
  if (!options.peers.empty()) {
    KVFS_RETURN_IF_ERROR(CheckHoldsNoStore(places.data_directory));
  }
  KVFS_RETURN_IF_ERROR(CheckMountpoint(places.mountpoint, options.nonempty));
  return places;
}

}  // namespace kvfs::tools
