#include "fs/fuse/kernel_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace kvfs::fs {
namespace {

// Words that belong to the mount rather than to the filesystem; those of libfuse's default set
// them first and have a word that takes them away.
struct Attribute {
  std::string_view word;
  unsigned set;
  unsigned clear;
};
constexpr std::array kAttributes = std::to_array<Attribute>({
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"noatime", MOUNT_ATTR_NOATIME, 0},
});

const Attribute* FindAttribute(std::string_view word) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.word == word) {
      return &attribute;
    }
  }
  return nullptr;
}

Status Failed(const std::string& what) {
  const int error = errno;
  return Status(error == ENOSYS || error == EPERM ? Code::kUnavailable : Code::kIoError,
                what + ": " + std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Status SetString(int context, const std::string& key, const std::string& value) {
  return fsconfig(context, FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0) == 0
             ? Status::Ok()
             : Failed("the kernel does not take " + key + "=" + value);
}

// Gives the filesystem the words that are its own; the others are added up in `attributes`.
Status Configure(int context, const std::vector<std::string>& words, unsigned* attributes) {
  *attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  for (const std::string& word : words) {
    if (const Attribute* attribute = FindAttribute(word)) {
      *attributes = (*attributes & ~attribute->clear) | attribute->set;
      continue;
    }
    if (word == "ro") {
      *attributes |= MOUNT_ATTR_RDONLY;  // and the filesystem as a whole, below
    }
    const size_t equals = word.find('=');
    if (equals != std::string::npos) {
      KVFS_RETURN_IF_ERROR(SetString(context, word.substr(0, equals), word.substr(equals + 1)));
    } else if (fsconfig(context, FSCONFIG_SET_FLAG, word.c_str(), nullptr, 0) != 0) {
      return Failed("the kernel does not take '" + word + "'");
    }
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<KernelMount>> KernelMount::Create(const std::string& source,
                                                         const std::vector<std::string>& words) {
  Descriptor device(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (device.get() < 0) {
    const bool missing = errno == ENOENT;
    return Failed(missing ? "this machine has no /dev/fuse (modprobe fuse)"
                          : "cannot open /dev/fuse");
  }
  Descriptor context(fsopen("fuse", FSOPEN_CLOEXEC));
  if (context.get() < 0) {
    return Failed("fsopen");
  }
  KVFS_RETURN_IF_ERROR(SetString(context.get(), "source", source));
  KVFS_RETURN_IF_ERROR(SetString(context.get(), "subtype", "kvfs"));
  KVFS_RETURN_IF_ERROR(SetString(context.get(), "fd", std::to_string(device.get())));
  KVFS_RETURN_IF_ERROR(SetString(context.get(), "rootmode", "40000"));
  KVFS_RETURN_IF_ERROR(SetString(context.get(), "user_id", std::to_string(getuid())));
  KVFS_RETURN_IF_ERROR(SetString(context.get(), "group_id", std::to_string(getgid())));
  unsigned attributes = 0;
  KVFS_RETURN_IF_ERROR(Configure(context.get(), words, &attributes));
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return Failed("cannot make the mount");
  }
  const int mount = fsmount(context.get(), FSMOUNT_CLOEXEC, attributes);
  if (mount < 0) {
    return Failed("cannot make the mount");
  }
  return std::unique_ptr<KernelMount>(new KernelMount(device.Take(), mount));
}

KernelMount::~KernelMount() {
  for (int fd : {device_, mount_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

int KernelMount::TakeDevice() { return std::exchange(device_, -1); }

Status KernelMount::AwaitAnswer() {
  struct statx facts {};
  // The root is not known to the kernel yet, so this asks the daemon.
  if (statx(mount_, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS | STATX_MNT_ID,
            &facts) != 0) {
    return Failed("the mount does not answer");
  }
  device_number_ = makedev(facts.stx_dev_major, facts.stx_dev_minor);
  mount_id_ = facts.stx_mnt_id;
  return Status::Ok();
}

Status KernelMount::Attach(const std::string& mountpoint) {
  assert(mount_ >= 0 && mount_id_ != 0);
  if (move_mount(mount_, "", AT_FDCWD, mountpoint.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return Failed("cannot mount at " + mountpoint);
  }
  close(std::exchange(mount_, -1));  // open, it would keep umount(8) from working
  mountpoint_ = mountpoint;
  return Status::Ok();
}

bool KernelMount::IsSeen() const {
  struct statx facts {};
  return !mountpoint_.empty() &&
         statx(AT_FDCWD, mountpoint_.c_str(),
               AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID,
               &facts) == 0 &&
         (facts.stx_mask & STATX_MNT_ID) != 0 && facts.stx_mnt_id == mount_id_;
}

void KernelMount::Detach() { umount2(mountpoint_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); }

}  // namespace kvfs::fs
