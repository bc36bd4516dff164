// kvfs: mounts and unmounts.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tools/cluster/security.h"
#include "tools/common/command_line.h"
#include "tools/common/exit_code.h"
#include "tools/common/members.h"
#include "tools/common/paths.h"
#include "tools/common/self_description.h"
#include "tools/common/size.h"
#include "tools/common/version.h"
#include "tools/mount/mount_command.h"
#include "tools/mount/mount_options.h"
#include "tools/mount/umount.h"

namespace kvfs::tools {
namespace {

constexpr char kMountFooter[] = R"(Options of -o, separated by commas:
  data=DIR              the same as --data
  capacity=SIZE         the same as --capacity
  memory=SIZE           the same as --memory
  ro, rw                read-only, or not
  nonempty              mount over a directory that is not empty
  allow_other           let other users in (always so for root)
  writeback             let the kernel hold written pages back (see doc/mount.md)
  cache_readdir         let the kernel keep directory listings
  threads=N             threads that read requests (4)
  entry_timeout=S, attr_timeout=S, negative_timeout=S
                        how long the kernel may keep names, attributes and absent names (86400)
  cluster=NAME, key=FILE, allow=FILE
                        with --peers: the same as --cluster, --key, --allow
  http=HOST:PORT        where to show metrics and a web page; on this machine only (nowhere)
  lock_lease=S          with --peers: how long locks outlive a mount that was killed (15)
  fsname=NAME           what df and mount show as the source (DIR)
  [no]suid, [no]dev, [no]exec, [a]sync, dirsync, noatime, context=C, fscontext=C, defcontext=C,
  rootcontext=C         as in mount(8)

Returns when the mount answers. The daemon's log is DIR/kvfs.log; a daemon that crashes is
started again. Sizes: 4096, 512M, 1.5GiB, 2TB.
Exit codes: 0 done, 1 not done (the reason is on standard error).)";

int Fail(const char* command, const Status& status) {
  std::fprintf(stderr, "kvfs %s: %s\n", command, status.message().c_str());
  return kExitFailed;
}

struct MountFlags {
  std::string mountpoint;
  std::string peers;
  std::string cluster;
  std::string key;
  std::string allow;
  std::string data;
  std::string capacity;
  std::string memory;
  std::vector<std::string> lists;
  bool foreground = false;
};

// What only a mount of a cluster has: its name and keys, from flags or from -o.
Status SettleCluster(const MountFlags& flags, MountOptions* options) {
  for (const auto& [flag, value] :
       {std::pair{&flags.cluster, &options->cluster}, std::pair{&flags.key, &options->key_file},
        std::pair{&flags.allow, &options->allow_file}}) {
    if (!flag->empty()) {
      *value = *flag;
    }
  }
  if (options->peers.empty()) {
    return options->cluster.empty() && options->key_file.empty() && options->allow_file.empty()
               ? Status::Ok()
               : Status::InvalidArgument("cluster, key and allow go with --peers");
  }
  if (options->cluster.empty()) {
    options->cluster = kDefaultCluster;
  }
  KVFS_RETURN_IF_ERROR(ClusterIdOf(options->cluster).status());
  // Read anew by the daemon, which has another working directory; what is wrong is said here.
  KVFS_RETURN_IF_ERROR(LoadSecurity(options->key_file, options->allow_file).status());
  if (!options->key_file.empty()) {
    KVFS_ASSIGN_OR_RETURN(options->key_file, CanonicalPath(options->key_file));
    KVFS_ASSIGN_OR_RETURN(options->allow_file, CanonicalPath(options->allow_file));
  }
  return Status::Ok();
}

Status ParseFlags(const MountFlags& flags, MountOptions* options) {
  if (!flags.peers.empty()) {
    Result<std::vector<NodeAddress>> peers = ParsePeers(flags.peers);
    if (!peers.ok()) {
      return peers.error().Annotate("--peers");
    }
    UsePeers(std::move(*peers), options);
  }
  for (const std::string& list : flags.lists) {
    KVFS_RETURN_IF_ERROR(ParseMountOptions(list, options));
  }
  KVFS_RETURN_IF_ERROR(SettleCluster(flags, options));
  if (!flags.data.empty()) {
    options->data = flags.data;
  }
  for (const auto& [text, name, value] :
       {std::tuple{&flags.capacity, "--capacity", &options->capacity_bytes},
        std::tuple{&flags.memory, "--memory", &options->memory_bytes}}) {
    if (!text->empty()) {
      Result<uint64_t> size = ParseSize(*text);
      if (!size.ok()) {
        return size.error().Annotate(name);
      }
      *value = *size;
    }
  }
  return CheckMountOptions(*options);
}

int RunMount(const MountFlags& flags) {
  MountOptions options;
  Status status = ParseFlags(flags, &options);
  if (status.ok()) {
    status = Mount(flags.mountpoint, options, flags.foreground);
  }
  return status.ok() ? kExitOk : Fail("mount", status);
}

int Main(int argc, char** argv) {
  CLI::App app("kvfs: a filesystem on a distributed key-value store of its own", "kvfs");
  app.require_subcommand(1);
  app.set_version_flag("--version", "kvfs " + std::string(kVersion));
  app.footer("`kvfs COMMAND --help` tells more. kvfs-admin looks after a store.");

  MountFlags mount_flags;
  CLI::App* mount = app.add_subcommand("mount", "Mount a store (made at the first mount)");
  mount->add_option("MOUNTPOINT", mount_flags.mountpoint, "An empty directory")->required();
  mount->add_option("--data", mount_flags.data,
                    "The data directory DIR (root: /var/lib/kvfs, else "
                    "$XDG_DATA_HOME/kvfs or ~/.local/share/kvfs)");
  mount->add_option("--peers", mount_flags.peers,
                    "Mount a cluster: HOST:PORT,HOST:PORT,... of some of its nodes; DIR then only "
                    "holds the log and what other commands need");
  mount->add_option("--cluster", mount_flags.cluster, "Name of the cluster (kvfs)");
  mount->add_option("--key", mount_flags.key,
                    "Key pair of this client (kvfs-admin keygen); --peers then with numbers: "
                    "1=HOST:PORT,...");
  mount->add_option("--allow", mount_flags.allow, "The list of the cluster's public keys");
  mount->add_option("-o", mount_flags.lists, "Mount options, below")->allow_extra_args(false);
  mount->add_option("--capacity", mount_flags.capacity,
                    "Bound on the size of DIR; what df shows (the disk's)");
  mount->add_option("--memory", mount_flags.memory, "Bound on caches and buffers (512M)");
  mount->add_flag("--foreground,-f", mount_flags.foreground,
                  "Serve in this process, log to standard error, unmount on Ctrl-C");
  mount->footer(kMountFooter);

  std::string mountpoint;
  UmountOptions umount_options;
  CLI::App* umount = app.add_subcommand("umount", "Write everything back and unmount");
  umount->add_option("MOUNTPOINT", mountpoint, "Where it is mounted")->required();
  umount->add_flag("--force", umount_options.force,
                   "Take the mount away even if it is in use or does not answer");
  umount->footer(
      "Returns when the daemon has written everything back and is gone. A mount in use is left\n"
      "alone, and who uses it is named. With --force programs that use it get errors, the daemon\n"
      "has 10 seconds to write back, and is then killed: what was neither closed nor synced may\n"
      "be lost.\nExit codes: 0 unmounted, 1 not.");

  app.add_subcommand("version", "Print the version");
  app.add_subcommand("help", "Print this");

  if (DescribeItself(app, {1, kVersion, "kvfs-admin(8), kvfsd(8), mount(8)"}, argc, argv)) {
    return kExitOk;
  }
  if (const Status known = CheckCommandName(app, argc, argv); !known.ok()) {
    std::fprintf(stderr, "%s\n", known.message().c_str());
    return kExitFailed;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitFailed;
  }
  if (app.got_subcommand("version")) {
    std::printf("kvfs %s\n", kVersion);
    return kExitOk;
  }
  if (app.got_subcommand("help")) {
    std::printf("%s", app.help().c_str());
    return kExitOk;
  }
  if (app.got_subcommand(umount)) {
    const Status status = Umount(mountpoint, umount_options);
    return status.ok() ? kExitOk : Fail("umount", status);
  }
  return RunMount(mount_flags);
}

}  // namespace
}  // namespace kvfs::tools

int main(int argc, char** argv) { return kvfs::tools::Main(argc, argv); }
