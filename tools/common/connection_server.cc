#include "tools/common/connection_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace kvfs::tools {
namespace {

constexpr int kOutOfDescriptorsMillis = 100;  // until somebody has closed something

}  // namespace

ConnectionServer::ConnectionServer(Socket listener, Options options)
    : listener_(std::move(listener)),
      options_(std::move(options)),
      acceptor_([this] { Accept(); }) {}

ConnectionServer::~ConnectionServer() {
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

void ConnectionServer::Accept() {
  for (;;) {
    Socket peer(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) {
        continue;
      }
      if (errno == EMFILE || errno == ENFILE) {
        poll(nullptr, 0, kOutOfDescriptorsMillis);
        continue;
      }
      return;
    }
    Reap(false);
    std::lock_guard lock(mutex_);
    if (connections_.size() >= options_.max_connections || !options_.admit(peer.fd())) {
      continue;  // closes it
    }
    Connection& connection = connections_.emplace_back();
    connection.socket = std::move(peer);
    connection.thread = std::thread([this, &connection] { Serve(&connection); });
  }
}

void ConnectionServer::Serve(Connection* connection) {
  options_.serve(connection->socket.fd());
  shutdown(connection->socket.fd(), SHUT_RDWR);
  std::lock_guard lock(mutex_);
  connection->done = true;
}

void ConnectionServer::Reap(bool all) {
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
