// Operations on open files, among them files without a name any more.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/fuse/model/model.h"

namespace kvfs::model {
namespace {

// Reads back what the file says is a hole; everything in it must be zero.
Outcome FindHoles(int fd) {
  Outcome outcome;
  const off_t end = lseek(fd, 0, SEEK_END);
  off_t at = 0;
  while (at < end) {
    const off_t hole = lseek(fd, at, SEEK_HOLE);
    if (hole < 0) return FromCall(-1);
    if (hole >= end) break;
    off_t data = lseek(fd, hole, SEEK_DATA);
    if (data < 0 && errno == ENXIO) data = end;
    if (data < 0) return FromCall(-1);
    if (data <= hole) {
      outcome.data = "SEEK_DATA stands still at " + std::to_string(hole);
      return outcome;
    }
    std::string bytes(static_cast<size_t>(data - hole), '\0');
    const ssize_t n = pread(fd, bytes.data(), bytes.size(), hole);
    if (n < 0) return FromCall(-1);
    if (bytes.find_first_not_of('\0') != std::string::npos) {
      outcome.data = "data inside the hole at " + std::to_string(hole);
      return outcome;
    }
    at = data;
  }
  if (lseek(fd, end + 10, SEEK_DATA) != -1 || errno != ENXIO)
    outcome.data = "no ENXIO past the end";
  return outcome;
}

// Where the search ends depends on where the holes lie, so the position is put back.
Outcome CheckHoles(int fd) {
  const off_t position = lseek(fd, 0, SEEK_CUR);
  const Outcome outcome = FindHoles(fd);
  if (lseek(fd, position, SEEK_SET) != position) return FromCall(-1);
  return outcome;
}

}  // namespace

void Model::OpOpen() {
  static constexpr int kAccess[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
  int flags = kAccess[Below(4)];
  if (Chance(15)) flags |= O_APPEND;
  if (Chance(8)) flags |= O_TRUNC;
  if (Chance(10)) flags |= O_NOFOLLOW;
  if (Chance(3)) flags |= O_DIRECTORY;
  OpenHandle(AnyPath(S_IFREG), flags, 0);
}

void Model::OpClose() {
  if (handles_.empty()) return;
  const size_t pick = Below(handles_.size());
  const Handle handle = handles_[pick];
  handles_.erase(handles_.begin() + static_cast<long>(pick));
  Both("close " + handle.path,
       [&](int side) { return FromCall(close(handle.fd[static_cast<size_t>(side)])); });
}

void Model::OpWrite() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpCreate();
  struct stat st;
  // Appends alone would let files grow without end.
  if (fstat(handle->fd[1], &st) != 0 || st.st_size > (4 << 20)) return OpFtruncate();
  const std::string bytes = Bytes(Length());
  Both("write " + handle->path + " size=" + std::to_string(bytes.size()), [&](int side) {
    const int fd = handle->fd[static_cast<size_t>(side)];
    Outcome outcome = FromCall(write(fd, bytes.data(), bytes.size()));
    if (outcome.ok()) outcome.data = std::to_string(lseek(fd, 0, SEEK_CUR));
    return outcome;
  });
}

void Model::OpPwrite() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpCreate();
  const std::string bytes = Bytes(Length());
  const uint64_t offset = Offset();
  Both("pwrite " + handle->path + " size=" + std::to_string(bytes.size()) +
           " offset=" + std::to_string(offset),
       [&](int side) {
         return FromCall(pwrite(handle->fd[static_cast<size_t>(side)], bytes.data(), bytes.size(),
                                static_cast<off_t>(offset)));
       });
}

void Model::OpPread() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpOpen();
  const size_t size = Length();
  const uint64_t offset = Offset();
  Both("pread " + handle->path + " size=" + std::to_string(size) +
           " offset=" + std::to_string(offset),
       [&](int side) {
         std::string buffer(size, '\0');
         Outcome outcome = FromCall(pread(handle->fd[static_cast<size_t>(side)], buffer.data(),
                                          buffer.size(), static_cast<off_t>(offset)));
         if (outcome.ok()) outcome.data = buffer.substr(0, static_cast<size_t>(outcome.result));
         return outcome;
       });
}

void Model::OpFtruncate() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpTruncate();
  struct stat st {};
  fstat(handle->fd[1], &st);
  uint64_t size = Chance(25) ? 0 : Offset();
  if (size == static_cast<uint64_t>(st.st_size)) ++size;
  Both("ftruncate " + handle->path + " " + std::to_string(size), [&](int side) {
    return FromCall(ftruncate(handle->fd[static_cast<size_t>(side)], static_cast<off_t>(size)));
  });
}

void Model::OpFallocate() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpOpen();
  static constexpr int kModes[] = {0, FALLOC_FL_KEEP_SIZE,
                                   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                   FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
  const int mode = kModes[Below(5)];
  uint64_t offset = Offset();
  const size_t size = Length();
  struct stat st {};
  fstat(handle->fd[1], &st);
  const auto end = static_cast<uint64_t>(st.st_size);
  // Whether a call that can change nothing moves the mtime differs between file systems.
  if ((mode & FALLOC_FL_KEEP_SIZE) != 0 && offset >= end) {
    if (end == 0) return;
    offset %= end;
  }
  Both("fallocate " + handle->path + " mode=" + std::to_string(mode) +
           " size=" + std::to_string(size) + " offset=" + std::to_string(offset),
       [&](int side) {
         return FromCall(fallocate(handle->fd[static_cast<size_t>(side)], mode,
                                   static_cast<off_t>(offset), static_cast<off_t>(size)));
       });
}

void Model::OpFsync() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr || !options_.fsync) return;
  const bool data_only = Chance(50);
  Both((data_only ? "fdatasync " : "fsync ") + handle->path, [&](int side) {
    const int fd = handle->fd[static_cast<size_t>(side)];
    return FromCall(data_only ? fdatasync(fd) : fsync(fd));
  });
}

void Model::OpFstat() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpStat();
  Both("fstat " + handle->path, [&](int side) {
    struct stat st;
    Outcome outcome = FromCall(fstat(handle->fd[static_cast<size_t>(side)], &st));
    if (outcome.ok()) outcome.data = DescribeAttributes(st);
    return outcome;
  });
}

void Model::OpSeek() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr || (handle->flags & O_ACCMODE) == O_WRONLY) return;
  Both("holes of " + handle->path,
       [&](int side) { return CheckHoles(handle->fd[static_cast<size_t>(side)]); });
}

void Model::OpCopyRange() {
  const Handle* from = AnyHandle();
  const Handle* to = AnyHandle();
  if (from == nullptr) return OpOpen();
  // Aligned copies may share chunks, so they are drawn often.
  const bool aligned = Chance(50);
  const uint64_t from_offset = aligned ? Below(4) * 128 * 1024 : Offset();
  const uint64_t to_offset = aligned ? Below(4) * 128 * 1024 : Offset();
  const size_t size = aligned ? (1 + Below(3)) * 128 * 1024 : Length();
  Both("copy_file_range " + from->path + "@" + std::to_string(from_offset) + " " + to->path + "@" +
           std::to_string(to_offset) + " size=" + std::to_string(size),
       [&](int side) {
         auto in = static_cast<off_t>(from_offset);
         auto out = static_cast<off_t>(to_offset);
         size_t left = size;
         ssize_t n = 0;
         while (left > 0 &&
                (n = copy_file_range(from->fd[static_cast<size_t>(side)], &in,
                                     to->fd[static_cast<size_t>(side)], &out, left, 0)) > 0) {
           left -= static_cast<size_t>(n);
         }
         return FromCall(n < 0 ? -1 : static_cast<long>(size - left));
       });
}

void Model::OpMmap() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpOpen();
  struct stat st;
  if (fstat(handle->fd[1], &st) != 0 || st.st_size == 0) return;
  const auto size = static_cast<size_t>(st.st_size);
  const size_t offset = Below(size);
  const std::string bytes = Bytes(std::min(size - offset, 1 + Length()));
  const bool shared = Chance(70);
  Both("mmap " + std::string(shared ? "shared " : "private ") + handle->path +
           " size=" + std::to_string(bytes.size()) + " offset=" + std::to_string(offset),
       [&](int side) {
         void* map = mmap(nullptr, size, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE,
                          handle->fd[static_cast<size_t>(side)], 0);
         if (map == MAP_FAILED) return FromCall(-1);
         Outcome outcome;
         char* at = static_cast<char*>(map) + offset;
         outcome.data.assign(at, bytes.size());
         std::copy(bytes.begin(), bytes.end(), at);
         // Pages dirtied through a mapping are promised only after msync or fsync.
         if (shared && msync(map, size, MS_SYNC) != 0) outcome = FromCall(-1);
         munmap(map, size);
         return outcome;
       });
}

void Model::OpFutimens() {
  const Handle* handle = AnyHandle();
  if (handle == nullptr) return OpUtimens();
  const timespec times[2] = {Time(), Time()};
  Both("futimens " + handle->path, [&](int side) {
    struct stat st;
    const int fd = handle->fd[static_cast<size_t>(side)];
    Outcome outcome = FromCall(futimens(fd, times));
    if (outcome.ok() && fstat(fd, &st) == 0) {
      outcome.data = std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec);
    }
    return outcome;
  });
}

}  // namespace kvfs::model
