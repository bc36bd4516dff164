// The Unix socket between kvfs-admin and a daemon, in the data directory: frames of a
// 32-bit little-endian length and that many bytes (doc/formats/admin.md).
#pragma once

#include <cstddef>
#include <string>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::tools {

// Owns a descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  int fd() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The socket's path is not bound by the 108 bytes of sockaddr_un: it is reached through the
// directory's descriptor.
Result<Socket> ListenInDirectory(const std::string& directory);
// kNotFound if nobody listens there.
Result<Socket> ConnectInDirectory(const std::string& directory);
void RemoveSocket(const std::string& directory);

Status SendFrame(int fd, ByteView bytes);
// kNotFound if the peer closed before a frame began; kInvalidArgument above `limit` bytes.
Result<Bytes> ReceiveFrame(int fd, size_t limit);

}  // namespace kvfs::tools
