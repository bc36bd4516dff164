// The two open-file types of PosixFileSystem, each owning one descriptor.
// PosixRandomAccessFile is thread-safe; PosixWritableFile lets Sync run beside
// the other calls of its one user.
#pragma once

#include <memory>
#include <string>

#include "kvcore/env/file_system.h"
#include "kvcore/env/posix/unique_fd.h"

namespace kvfs::env::posix {

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Status WriteAt(uint64_t offset, ByteView data) override;
  Status Sync() override;
  void StartWriteback(uint64_t offset, uint64_t size) override;
  Status Reserve(uint64_t size) override;
  Status Truncate(uint64_t size) override;
  Status Close() override;

 private:
  const std::string path_;
  UniqueFd fd_;
};

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(std::string path, UniqueFd fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  Status ReadAt(uint64_t offset, size_t size, Bytes* out) const override;
  Result<size_t> ReadInto(uint64_t offset, size_t size, char* out) const override;
  Result<uint64_t> Size() const override;

 private:
  const std::string path_;
  const UniqueFd fd_;
};

}  // namespace kvfs::env::posix
