#include "kvcore/env/posix/posix_file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "kvcore/base/coding.h"
#include "kvcore/env/posix/posix_error.h"
#include "kvcore/env/posix/posix_file.h"
#include "kvcore/env/posix/unique_fd.h"

namespace kvfs::env::posix {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
constexpr size_t kMaxHolderBytes = 4096;

Result<UniqueFd> Open(const std::string& path, int flags) {
  while (true) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
    if (fd >= 0) {
      return UniqueFd(fd);
    }
    if (errno != EINTR) {
      return ErrnoToStatus(errno, "open", path);
    }
  }
}

Status Check(int result, std::string_view call, const std::string& path) {
  return result == 0 ? Status() : ErrnoToStatus(errno, call, path);
}

// The lock is flock(2)'s: it belongs to the open file, so it also keeps out a second store in
// the same process, and it ends with the process however that ends.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

}  // namespace

Result<std::unique_ptr<WritableFile>> PosixFileSystem::OpenWritable(const std::string& path,
                                                                    Create create) {
  int flags = O_WRONLY | O_CREAT;
  switch (create) {
    case Create::kNew:
      flags |= O_EXCL;
      break;
    case Create::kTruncate:
      flags |= O_TRUNC;
      break;
    case Create::kKeep:
      break;
  }
  KVFS_ASSIGN_OR_RETURN(UniqueFd fd, Open(path, flags));
  return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(path, std::move(fd)));
}

Result<std::unique_ptr<RandomAccessFile>> PosixFileSystem::OpenRandomAccess(
    const std::string& path) {
  KVFS_ASSIGN_OR_RETURN(UniqueFd fd, Open(path, O_RDONLY));
  return std::unique_ptr<RandomAccessFile>(
      std::make_unique<PosixRandomAccessFile>(path, std::move(fd)));
}

Status PosixFileSystem::CreateDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) == 0) {
    return {};
  }
  const int error = errno;
  struct stat info {};
  if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return {};
  }
  return ErrnoToStatus(error, "mkdir", path);
}

Status PosixFileSystem::SyncDirectory(const std::string& path) {
  KVFS_ASSIGN_OR_RETURN(const UniqueFd fd, Open(path, O_RDONLY | O_DIRECTORY));
  while (::fsync(fd.get()) != 0) {
    if (errno != EINTR) {
      return ErrnoToStatus(errno, "fsync", path);
    }
  }
  return {};
}

Result<std::vector<std::string>> PosixFileSystem::List(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) {
    return ErrnoToStatus(errno, "opendir", path);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
    errno = 0;
  }
  const int error = errno;
  ::closedir(directory);
  if (error != 0) {
    return ErrnoToStatus(error, "readdir", path);
  }
  return names;
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  return Check(::rename(from.c_str(), to.c_str()), "rename", from + " to " + to);
}

Status PosixFileSystem::Link(const std::string& from, const std::string& to) {
  return Check(::link(from.c_str(), to.c_str()), "link", from + " to " + to);
}

Status PosixFileSystem::Unlink(const std::string& path) {
  return Check(::unlink(path.c_str()), "unlink", path);
}

Status PosixFileSystem::RemoveDirectory(const std::string& path) {
  return Check(::rmdir(path.c_str()), "rmdir", path);
}

Result<bool> PosixFileSystem::Exists(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    return true;
  }
  if (errno == ENOENT || errno == ENOTDIR) {
    return false;
  }
  return ErrnoToStatus(errno, "lstat", path);
}

Result<uint64_t> PosixFileSystem::FileSize(const std::string& path) {
  struct stat info {};
  KVFS_RETURN_IF_ERROR(Check(::stat(path.c_str(), &info), "stat", path));
  return static_cast<uint64_t>(info.st_size);
}

// The inode number and, since that is used again, the time at which the inode was made. Without
// the number of the device, which is not the same after each boot.
Result<Bytes> PosixFileSystem::FileIdentity(const std::string& path) {
  struct statx info {};
  KVFS_RETURN_IF_ERROR(
      Check(::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &info), "statx", path));
  Bytes identity;
  PutFixed64(&identity, info.stx_ino);
  // Zero where the file system does not keep it.
  PutFixed64(&identity,
             static_cast<uint64_t>(info.stx_btime.tv_sec) * 1'000'000'000 + info.stx_btime.tv_nsec);
  return identity;
}

Result<SpaceInfo> PosixFileSystem::Space(const std::string& path) {
  struct statvfs info {};
  KVFS_RETURN_IF_ERROR(Check(::statvfs(path.c_str(), &info), "statvfs", path));
  return SpaceInfo{.total_bytes = uint64_t{info.f_blocks} * info.f_frsize,
                   .available_bytes = uint64_t{info.f_bavail} * info.f_frsize};
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::LockFile(const std::string& path,
                                                            ByteView holder) {
  KVFS_ASSIGN_OR_RETURN(UniqueFd fd, Open(path, O_RDWR | O_CREAT));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      char text[kMaxHolderBytes];
      const ssize_t n = ::pread(fd.get(), text, sizeof(text), 0);
      return Status::Busy(path + ": locked by " +
                          (n > 0 ? std::string(text, static_cast<size_t>(n)) : "another process"));
    }
    if (errno != EINTR) {
      return ErrnoToStatus(errno, "flock", path);
    }
  }
  KVFS_RETURN_IF_ERROR(Check(::ftruncate(fd.get(), 0), "ftruncate", path));
  if (::pwrite(fd.get(), holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size())) {
    // The text is for people; a full disk must not keep a store from opening.
    if (errno != ENOSPC && errno != EDQUOT) {
      return ErrnoToStatus(errno, "pwrite", path);
    }
  }
  return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(std::move(fd)));
}

}  // namespace kvfs::env::posix
