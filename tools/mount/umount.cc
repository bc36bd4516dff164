#include "tools/mount/umount.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
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
  if (!record->DaemonLives() && record->SupervisorLives()) {
    kill(record->supervisor, SIGTERM);  // it would start another
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

// The file of a connection that ends it. Where nobody has mounted the filesystem of these files,
// root can have it without a place. -1 if there is no such connection any more.
int OpenAbortFile(uint32_t connection) {
  const std::string name = std::to_string(connection) + "/abort";
  const int mounted = open(("/sys/fs/fuse/connections/" + name).c_str(), O_WRONLY | O_CLOEXEC);
  if (mounted >= 0 || geteuid() != 0) {
    return mounted;
  }
  int file = -1;
  const int context = fsopen("fusectl", FSOPEN_CLOEXEC);
  if (context >= 0 && fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
    const int mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
    if (mount >= 0) {
      file = openat(mount, name.c_str(), O_WRONLY | O_CLOEXEC);
      close(mount);
    }
  }
  if (context >= 0) {
    close(context);
  }
  return file;
}

// Ends the connection of a mount that was taken away: what still waits in it gets an error. Not if
// its number has gone to another mount meanwhile.
void Abort(const MountEntry& mount) {
  for (const MountEntry& other : ReadMounts()) {
    if (other.device_major == mount.device_major && other.device_minor == mount.device_minor) {
      return;
    }
  }
  const int file = OpenAbortFile(mount.device_minor);
  if (file >= 0) {
    [[maybe_unused]] ssize_t written = write(file, "1", 1);
    close(file);
  }
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
  Status status = options.force ? UmountForcibly(*mount, record, options)
                                : UmountGently(*mount, record, options);
  // What an earlier daemon left below it (see doc/mount.md). Its own daemon does this too, if it
  // still can.
  const auto below = MountAt(ReadMounts(), path);
  if (below.has_value() && below->is_kvfs() && below->source == mount->source &&
      below->device_minor != mount->device_minor) {
    (void)TakeAwayDeadMounts(path);
  }
  return status;
}

}  // namespace kvfs::tools
