#include "tools/admin/locate.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include "tools/common/mounts.h"
#include "tools/common/paths.h"

namespace kvfs::tools {
namespace {

// As fs/fuse/fuse_options.h has it; kvfs-admin does not link FUSE.
constexpr char kDataXattr[] = "user.kvfs.data";
constexpr size_t kMaxPath = 4096;

std::optional<std::string> DataXattr(const std::string& path) {
  std::array<char, kMaxPath> value;
  const ssize_t size = lgetxattr(path.c_str(), kDataXattr, value.data(), value.size());
  return size > 0 ? std::optional(std::string(value.data(), static_cast<size_t>(size)))
                  : std::nullopt;
}

}  // namespace

Result<std::string> StoreOfFile(const std::string& path) {
  struct stat attr {};
  if (lstat(path.c_str(), &attr) != 0) {
    return ErrnoStatus("cannot look at " + path, errno);
  }
  if (auto data = DataXattr(path)) {
    return *data;
  }
  // The kernel asks for no user attribute of symbolic links and special files: their directory
  // lies in the same mount.
  const size_t slash = path.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat above {};
  if (!S_ISREG(attr.st_mode) && !S_ISDIR(attr.st_mode) && stat(parent.c_str(), &above) == 0 &&
      above.st_dev == attr.st_dev) {
    if (auto data = DataXattr(parent)) {
      return *data;
    }
  }
  return Status::InvalidArgument(path + " is not in a mount of kvfs");
}

Result<std::string> LocateStore(const std::string& named) {
  const std::vector<MountEntry> mounts = ReadMounts();
  if (!named.empty()) {
    KVFS_ASSIGN_OR_RETURN(std::string path, ResolvedPath(named));
    auto mount = MountAt(mounts, path);
    if (mount.has_value() && mount->is_kvfs()) {
      return StoreOfFile(path);
    }
    return path;
  }
  std::vector<MountEntry> ours;
  for (const MountEntry& mount : mounts) {
    if (mount.is_kvfs()) {
      ours.push_back(mount);
    }
  }
  if (ours.size() == 1) {
    return StoreOfFile(ours[0].mountpoint);
  }
  if (ours.size() > 1) {
    std::string list;
    for (const MountEntry& mount : ours) {
      list += "\n  " + mount.mountpoint + " (" + mount.source + ")";
    }
    return Status::InvalidArgument("several stores are mounted; say which with --data:" + list);
  }
  return DefaultDataDirectory(geteuid());
}

}  // namespace kvfs::tools
