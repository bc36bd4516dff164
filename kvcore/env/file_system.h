// FileSystem: files and directories as the engine needs them. Thread-safe; a
// WritableFile has one user at a time, a RandomAccessFile any number.
//
// What a crash of the machine may undo, and the simulated twin does undo: bytes
// not covered by a Sync() of their file, whatever their order; and names created,
// renamed or removed in a directory without a later SyncDirectory() of it.
// Errors: kNotFound, kAlreadyExists, kNoSpace, kBusy (locks) where named below,
// kReadOnly (a read-only disk), else kIoError. Messages name the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::env {

class WritableFile {
 public:
  virtual ~WritableFile() = default;

  // Writes all of `data` at `offset`, extending the file if need be: in the kernel when it
  // returns, so it survives the death of the process. After an error the bytes at
  // [offset, offset + size) are undefined.
  virtual Status WriteAt(uint64_t offset, ByteView data) = 0;
  // Makes every byte written so far, and the file's size, durable (fdatasync). Other calls,
  // from other threads, may go on beside it; what they write meanwhile is not covered.
  virtual Status Sync() = 0;
  // Starts the write-out of a range without waiting; a hint.
  virtual void StartWriteback(uint64_t offset, uint64_t size) = 0;
  // Reserves disk space for [0, size) without changing the size. kNoSpace if there is not enough.
  virtual Status Reserve(uint64_t size) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Status Close() = 0;
};

class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;

  // Up to `size` bytes from `offset` into `out` (replaced); fewer only at the end of the file.
  virtual Status ReadAt(uint64_t offset, size_t size, Bytes* out) const = 0;
  // The same into the caller's memory; the number of bytes read.
  virtual Result<size_t> ReadInto(uint64_t offset, size_t size, char* out) const = 0;
  virtual Result<uint64_t> Size() const = 0;
};

// Held from LockFile until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // to this process
};

class FileSystem {
 public:
  enum class Create : uint8_t { kNew, kTruncate, kKeep };  // kNew: kAlreadyExists if it exists

  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path,
                                                             Create create) = 0;
  virtual Result<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(const std::string& path) = 0;

  // OK if it exists already.
  virtual Status CreateDirectory(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Names only, no "." and "..", in no order.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status Link(const std::string& from, const std::string& to) = 0;    // a hard link
  virtual Status Unlink(const std::string& path) = 0;
  virtual Status RemoveDirectory(const std::string& path) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  // Tells the file from every copy of it: stays the same when it is written to, renamed or moved
  // within its file system, and over reboots; no file beside it, or made a tick of the clock after
  // it went, has the same. 16 bytes.
  virtual Result<Bytes> FileIdentity(const std::string& path) = 0;
  virtual Result<SpaceInfo> Space(const std::string& path) = 0;

  // Creates the file if need be, locks it against other processes and writes `holder` into it.
  // kBusy if it is locked; the message then holds what its holder wrote.
  virtual Result<std::unique_ptr<FileLock>> LockFile(const std::string& path, ByteView holder) = 0;

  // The whole file; for small ones.
  Result<Bytes> ReadFile(const std::string& path);
  // Puts a file into place so that a crash leaves the old one or the new one, whole and durable
  // (temporary name, sync, rename, directory sync).
  Status WriteFileAtomically(const std::string& directory, const std::string& name, ByteView data);
};

}  // namespace kvfs::env
