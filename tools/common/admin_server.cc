#include "tools/common/admin_server.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "kvcore/env/posix/blocking_wait.h"

namespace kvfs::tools {
namespace {

constexpr size_t kMaxConnections = 16;
constexpr time_t kIdleSeconds = 30;

bool MayAsk(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == geteuid());
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& directory,
                                                        ops::AdminService* service) {
  KVFS_ASSIGN_OR_RETURN(Socket listener, ListenInDirectory(directory));
  return std::unique_ptr<AdminServer>(new AdminServer(directory, std::move(listener), service));
}

AdminServer::AdminServer(std::string directory, Socket listener, ops::AdminService* service)
    : directory_(std::move(directory)),
      listener_(std::move(listener)),
      service_(service),
      acceptor_([this] { Accept(); }) {}

AdminServer::~AdminServer() {
  RemoveSocket(directory_);
  shutdown(listener_.fd(), SHUT_RDWR);  // wakes accept
  acceptor_.join();
  {
    std::lock_guard lock(mutex_);
    for (Connection& connection : connections_) {
      shutdown(connection.socket.fd(), SHUT_RD);  // the answer under way still goes out
    }
  }
  Reap(true);
}

void AdminServer::Accept() {
  for (;;) {
    Socket peer(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) {
        continue;
      }
      return;
    }
    Reap(false);
    const timeval patience{.tv_sec = kIdleSeconds, .tv_usec = 0};
    setsockopt(peer.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    std::lock_guard lock(mutex_);
    if (!MayAsk(peer.fd()) || connections_.size() >= kMaxConnections) {
      continue;  // closes it
    }
    Connection& connection = connections_.emplace_back();
    connection.socket = std::move(peer);
    connection.thread = std::thread([this, &connection] { Serve(&connection); });
  }
}

void AdminServer::Serve(Connection* connection) {
  const int fd = connection->socket.fd();
  for (;;) {
    Result<Bytes> request = ReceiveFrame(fd, ops::kMaxAdminRequestBytes);
    if (!request.ok()) {
      break;
    }
    const Bytes answer = env::posix::BlockingWait(service_->Serve(std::move(*request)));
    if (!SendFrame(fd, answer).ok()) {
      break;
    }
  }
  shutdown(fd, SHUT_RDWR);
  std::lock_guard lock(mutex_);
  connection->done = true;
}

void AdminServer::Reap(bool all) {
  std::list<Connection> ended;
  {
    std::lock_guard lock(mutex_);
    for (auto it = connections_.begin(); it != connections_.end();) {
      auto next = std::next(it);
      if (all || it->done) {
        ended.splice(ended.end(), connections_, it);
      }
      it = next;
    }
  }
  for (Connection& connection : ended) {
    connection.thread.join();
  }
}

}  // namespace kvfs::tools
