#include "tests/bench/posix_util.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <system_error>

namespace kvfs::bench {

void ThrowErrno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void Check(int result, const std::string& what) {
  if (result < 0) ThrowErrno(what);
}

File::File(const std::string& path, int flags, unsigned mode)
    : path_(path), fd_(open(path.c_str(), flags | O_CLOEXEC, mode)) {
  if (fd_ < 0) ThrowErrno("open " + path);
}

File::~File() {
  if (fd_ >= 0) close(fd_);
}

void File::Write(std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = write(fd_, data.data(), data.size());
    if (n <= 0) ThrowErrno("write " + path_);
    data.remove_prefix(static_cast<size_t>(n));
  }
}

void File::WriteAt(std::string_view data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
    if (n <= 0) ThrowErrno("pwrite " + path_);
    data.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

void File::ReadAt(char* out, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t n = pread(fd_, out, size, static_cast<off_t>(offset));
    if (n < 0) ThrowErrno("pread " + path_);
    if (n == 0) throw std::runtime_error("short read of " + path_);
    out += n;
    size -= static_cast<size_t>(n);
    offset += static_cast<uint64_t>(n);
  }
}

void File::Sync() { Check(fsync(fd_), "fsync " + path_); }

void File::Close() {
  const int fd = fd_;
  fd_ = -1;
  Check(close(fd), "close " + path_);
}

void WriteFile(const std::string& path, std::string_view data, bool sync) {
  File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  file.Write(data);
  if (sync) file.Sync();
  file.Close();
}

uint64_t ReadWholeFile(const std::string& path, std::vector<char>* buffer) {
  File file(path, O_RDONLY);
  uint64_t total = 0;
  for (;;) {
    const ssize_t n = read(file.fd(), buffer->data(), buffer->size());
    if (n < 0) ThrowErrno("read " + path);
    if (n == 0) return total;
    total += static_cast<uint64_t>(n);
  }
}

std::string CaptureShell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) ThrowErrno("popen");
  std::string output;
  std::array<char, 4096> buffer;
  size_t n;
  while ((n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) output.append(buffer.data(), n);
  const int status = pclose(pipe);
  if (status != 0) {
    throw std::runtime_error("command failed (" +
                             std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1) +
                             "): " + command + "\n" + output);
  }
  return output;
}

void RunShell(const std::string& command) { CaptureShell(command); }

std::string Quote(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string MakeBytes(size_t size, uint64_t seed, bool compressible) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; i += 8) {
    if (compressible && (i & 64) != 0) continue;
    const uint64_t word = random();
    memcpy(bytes.data() + i, &word, std::min<size_t>(8, size - i));
  }
  return bytes;
}

double Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace kvfs::bench
