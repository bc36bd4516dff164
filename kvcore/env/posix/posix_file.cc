#include "kvcore/env/posix/posix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "kvcore/env/posix/posix_error.h"

namespace kvfs::env::posix {

Status PosixWritableFile::WriteAt(uint64_t offset, ByteView data) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoToStatus(errno, "pwrite", path_);
    }
    data.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Status PosixWritableFile::Sync() {
  // Not retried, except for EINTR, which reports that nothing was tried: after a failed sync the
  // kernel may have dropped the pages, and a second call would report success for lost bytes.
  while (::fdatasync(fd_.get()) != 0) {
    if (errno != EINTR) {
      return ErrnoToStatus(errno, "fdatasync", path_);
    }
  }
  return {};
}

void PosixWritableFile::StartWriteback(uint64_t offset, uint64_t size) {
  ::sync_file_range(fd_.get(), static_cast<off64_t>(offset), static_cast<off64_t>(size),
                    SYNC_FILE_RANGE_WRITE);
}

Status PosixWritableFile::Reserve(uint64_t size) {
  if (size == 0) {
    return {};
  }
  while (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0) {
    if (errno == EOPNOTSUPP || errno == ENOSYS) {
      return {};  // this disk cannot promise; the writes themselves will tell
    }
    if (errno != EINTR) {
      return ErrnoToStatus(errno, "fallocate", path_);
    }
  }
  return {};
}

Status PosixWritableFile::Truncate(uint64_t size) {
  while (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) {
      return ErrnoToStatus(errno, "ftruncate", path_);
    }
  }
  return {};
}

Status PosixWritableFile::Close() {
  if (!fd_.valid()) {
    return {};
  }
  // On Linux the descriptor is gone even if close was interrupted.
  if (::close(fd_.Release()) != 0 && errno != EINTR) {
    return ErrnoToStatus(errno, "close", path_);
  }
  return {};
}

Status PosixRandomAccessFile::ReadAt(uint64_t offset, size_t size, Bytes* out) const {
  out->resize(size);
  Result<size_t> n = ReadInto(offset, size, out->data());
  out->resize(n.ok() ? *n : 0);
  return n.status();
}

Result<size_t> PosixRandomAccessFile::ReadInto(uint64_t offset, size_t size, char* out) const {
  size_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd_.get(), out + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoToStatus(errno, "pread", path_);
    }
    if (n == 0) {
      break;  // the end of the file
    }
    done += static_cast<size_t>(n);
  }
  return done;
}

Result<uint64_t> PosixRandomAccessFile::Size() const {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) {
    return ErrnoToStatus(errno, "fstat", path_);
  }
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace kvfs::env::posix
