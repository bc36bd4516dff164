#include "tools/mount/umount.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <thread>

#include "tools/common/mounts.h"
#include "tools/common/paths.h"
#include "tools/common/process.h"
#include "tools/mount/mount_checks.h"
#include "tools/mount/run_record.h"

namespace kvfs::tools {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kNamedHolders = 10;

std::string Busy(const std::string& mountpoint) {
  std::string text = mountpoint + " is in use";
  const auto holders = FindHolders(mountpoint, kNamedHolders);
  if (holders.empty()) {
    return text + " (by processes this user may not see, or by a mount on it)";
  }
  text += " by";
  for (const Holder& holder : holders) {
    text += "\n  " + holder.command + " (pid " + std::to_string(holder.pid) + "): " + holder.what;
  }
  return text + "\nEnd them, or take the mount away anyway: kvfs umount --force " + mountpoint;
}

Status UnmountOnce(const std::string& mountpoint) {
  if (geteuid() == 0) {
    if (umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW) == 0) {
      return Status::Ok();
    }
    return errno == EBUSY ? Status::Busy(Busy(mountpoint))
                          : ErrnoStatus("cannot unmount " + mountpoint, errno);
  }
  const Outcome outcome = RunCommand({"fusermount3", "-u", mountpoint});
  if (outcome.exit_code == 0) {
    return Status::Ok();
  }
  if (outcome.output.find("busy") != std::string::npos) {
    return Status::Busy(Busy(mountpoint));
  }
  return Status::IoError(
      "cannot unmount " + mountpoint + ": " +
      (outcome.exit_code < 0 ? "fusermount3 could not be run (package fuse3)" : outcome.output));
}

template <typename Condition>
bool WaitUntil(int64_t millis, Condition condition) {
  const auto deadline = steady_clock::now() + milliseconds(millis);
  while (!condition()) {
    if (steady_clock::now() >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(milliseconds(20));
  }
  return true;
}

// Pushes pages that programs dirtied through mmap to the daemon.
void FlushPages(const std::string& mountpoint) {
  const int fd = open(mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    syncfs(fd);
    close(fd);
  }
}

// A daemon takes its record away once everything is written back.
Status CheckCleanEnd(const MountEntry& mount, const RunRecord& before) {
  const auto after = ReadRunRecord(mount.source);
  if (after.has_value() && after->pid == before.pid && after->start_ticks == before.start_ticks) {
    return Status::IoError(mount.mountpoint +
                           " is unmounted, but its daemon ended before everything was written "
                           "back; the reason is in " +
                           mount.source + "/kvfs.log");
  }
  return Status::Ok();
}

Status UmountGently(const MountEntry& mount, const std::optional<RunRecord>& record,
                    const UmountOptions& options) {
  FlushPages(mount.mountpoint);
  KVFS_RETURN_IF_ERROR(UnmountOnce(mount.mountpoint));
  if (!record.has_value()) {
    return Status::Ok();  // the daemon was dead, or belongs to somebody else
  }
  const auto gone = [&] { return !record->DaemonLives(); };
  if (WaitUntil(3000, gone)) {
    return CheckCleanEnd(mount, *record);
  }
  std::fprintf(stderr, "kvfs umount: %s is unmounted; the daemon (pid %d) is still writing back\n",
               mount.mountpoint.c_str(), record->pid);
  if (WaitUntil(options.deadline_millis, gone)) {
    return CheckCleanEnd(mount, *record);
  }
  return Status::Busy(mount.mountpoint + " is unmounted, but its daemon (pid " +
                      std::to_string(record->pid) + ") has not finished writing back to " +
                      mount.source + "; see the log there");
}

// Ends the connection of a mount that was taken away: what still waits in it gets an error. Not if
// its number has gone to another mount meanwhile.
void Abort(const MountEntry& mount) {
  for (const MountEntry& other : ReadMounts()) {
    if (other.device_major == mount.device_major && other.device_minor == mount.device_minor) {
      return;
    }
  }
  std::ofstream("/sys/fs/fuse/connections/" + std::to_string(mount.device_minor) + "/abort") << "1";
}

Status UmountForcibly(const MountEntry& mount, const std::optional<RunRecord>& record,
                      const UmountOptions& options) {
  Status status = UnmountLazily(mount.mountpoint);
  if (!record.has_value()) {
    Abort(mount);
    return status;
  }
  const auto gone = [&] { return !record->DaemonLives(); };
  // The supervisor first, so that it does not start the daemon again; both drain on SIGTERM.
  if (record->SupervisorLives()) {
    kill(record->supervisor, SIGTERM);
  }
  if (!gone()) {
    kill(record->pid, SIGTERM);
  }
  if (!WaitUntil(options.force_deadline_millis, gone)) {
    std::fprintf(stderr, "kvfs umount: the daemon (pid %d) does not end; killing it\n",
                 record->pid);
    Abort(mount);
    if (record->SupervisorLives()) {
      kill(record->supervisor, SIGKILL);
    }
    kill(record->pid, SIGKILL);
    if (!WaitUntil(5000, gone)) {
      return Status::Busy("the daemon (pid " + std::to_string(record->pid) +
                          ") cannot be killed: it waits for the disk of " + mount.source);
    }
  }
  return status;
}

}  // namespace

Status Umount(const std::string& mountpoint, const UmountOptions& options) {
  KVFS_ASSIGN_OR_RETURN(std::string path, CanonicalPath(mountpoint));
  const auto mounts = ReadMounts();
  auto mount = MountAt(mounts, path);
  if (!mount.has_value()) {
    // A link to the mount point. Only looked into where the name itself is no mount, since
    // following it touches what it points to.
    KVFS_ASSIGN_OR_RETURN(path, ResolvedPath(path));
    mount = MountAt(mounts, path);
  }
  if (!mount.has_value()) {
    return Status::NotFound(path + " is not mounted");
  }
  if (!mount->is_kvfs()) {
    return Status::InvalidArgument(path + " is a mount of type " + mount->type +
                                   ", not one of kvfs");
  }
  const auto record = ReadRunRecord(mount->source);
  return options.force ? UmountForcibly(*mount, record, options)
                       : UmountGently(*mount, record, options);
}

}  // namespace kvfs::tools
