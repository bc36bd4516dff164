// Small helpers over system calls for the benchmark: every failure is a
// std::system_error that names the call and the path, because a benchmark that
// goes on after a failed call measures nothing. Single-threaded, no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvfs::bench {

// Owns a file descriptor.
class File {
 public:
  File(const std::string& path, int flags, unsigned mode = 0644);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  void Write(std::string_view data);
  void WriteAt(std::string_view data, uint64_t offset);
  // Reads `size` bytes at `offset`; fewer than that is an error.
  void ReadAt(char* out, size_t size, uint64_t offset);
  void Sync();
  // close(2) reports write-back errors, so it is checked too.
  void Close();

 private:
  std::string path_;
  int fd_;
};

[[noreturn]] void ThrowErrno(const std::string& what);
// Throws when `result` is negative.
void Check(int result, const std::string& what);

void WriteFile(const std::string& path, std::string_view data, bool sync = false);
// Returns the number of bytes read until the end of the file.
uint64_t ReadWholeFile(const std::string& path, std::vector<char>* buffer);

// Runs a command through the shell, its output thrown away unless it fails.
void RunShell(const std::string& command);
// Runs a command through the shell and returns what it printed.
std::string CaptureShell(const std::string& command);
std::string Quote(const std::string& text);

// Bytes from a seeded generator. `compressible` makes every second half of a
// 128-byte stretch zeros, which Snappy reduces to about a half.
std::string MakeBytes(size_t size, uint64_t seed, bool compressible);

double Now();

}  // namespace kvfs::bench
