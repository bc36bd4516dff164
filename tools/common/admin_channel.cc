#include "tools/common/admin_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kvcore/base/coding.h"
#include "tools/common/paths.h"

namespace kvfs::tools {
namespace {

constexpr char kSocketName[] = "kvfs.sock";
constexpr int kBacklog = 8;

// The address of the socket in the directory behind `directory_fd`.
sockaddr_un AddressIn(int directory_fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory_fd) + "/" + kSocketName;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<Socket> OpenDirectory(const std::string& directory) {
  const int fd = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return ErrnoStatus("cannot open " + directory, errno);
  }
  return Socket(fd);
}

Status ReceiveAll(int fd, char* out, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t got = recv(fd, out + done, size - done, 0);
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got == 0) {
      return done == 0 ? Status::NotFound("the other side has closed the connection")
                       : Status::IoError("the other side closed the connection in mid-frame");
    } else if (errno != EINTR) {
      return ErrnoStatus("cannot read from the admin socket", errno);
    }
  }
  return Status::Ok();
}

}  // namespace

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Socket::~Socket() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

Result<Socket> ListenInDirectory(const std::string& directory) {
  KVFS_ASSIGN_OR_RETURN(Socket place, OpenDirectory(directory));
  RemoveSocket(directory);
  Socket socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressIn(place.fd());
  const mode_t before = umask(0077);
  const bool bound =
      socket_fd.valid() &&
      bind(socket_fd.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      listen(socket_fd.fd(), kBacklog) == 0;
  const int error = errno;
  umask(before);
  if (!bound) {
    return ErrnoStatus("cannot listen on " + directory + "/" + kSocketName, error);
  }
  return socket_fd;
}

Result<Socket> ConnectInDirectory(const std::string& directory) {
  KVFS_ASSIGN_OR_RETURN(Socket place, OpenDirectory(directory));
  Socket socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressIn(place.fd());
  if (!socket_fd.valid() ||
      connect(socket_fd.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int error = errno;
    if (error == ENOENT || error == ECONNREFUSED) {
      return Status::NotFound("no daemon serves " + directory);
    }
    return ErrnoStatus("cannot reach the daemon of " + directory, error);
  }
  return socket_fd;
}

void RemoveSocket(const std::string& directory) { unlink((directory + "/" + kSocketName).c_str()); }

Status SendFrame(int fd, ByteView bytes) {
  Bytes frame;
  PutFixed32(&frame, static_cast<uint32_t>(bytes.size()));
  frame.append(bytes);
  for (size_t done = 0; done < frame.size();) {
    const ssize_t sent = send(fd, frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
    } else if (errno != EINTR) {
      return ErrnoStatus("cannot write to the admin socket", errno);
    }
  }
  return Status::Ok();
}

Result<Bytes> ReceiveFrame(int fd, size_t limit) {
  char head[4];
  KVFS_RETURN_IF_ERROR(ReceiveAll(fd, head, sizeof(head)));
  const uint32_t size = DecodeFixed32(head);
  if (size > limit) {
    return Status::InvalidArgument("a frame of " + std::to_string(size) + " bytes");
  }
  Bytes bytes(size, '\0');
  if (size > 0) {
    Status status = ReceiveAll(fd, bytes.data(), size);
    if (!status.ok()) {
      return Status::IoError(status.message());
    }
  }
  return bytes;
}

}  // namespace kvfs::tools
