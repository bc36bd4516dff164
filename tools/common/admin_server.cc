#include "tools/common/admin_server.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

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

bool Admit(int fd) {
  const timeval patience{.tv_sec = kIdleSeconds, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return MayAsk(fd);
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& directory,
                                                        ops::AdminService* service) {
  KVFS_ASSIGN_OR_RETURN(Socket listener, ListenInDirectory(directory));
  return std::unique_ptr<AdminServer>(new AdminServer(directory, std::move(listener), service));
}

AdminServer::AdminServer(std::string directory, Socket listener, ops::AdminService* service)
    : directory_(std::move(directory)),
      service_(service),
      connections_(std::move(listener), {.max_connections = kMaxConnections,
                                         .admit = Admit,
                                         .serve = [this](int fd) { Serve(fd); }}) {}

AdminServer::~AdminServer() { RemoveSocket(directory_); }

void AdminServer::Serve(int fd) {
  for (;;) {
    Result<Bytes> request = ReceiveFrame(fd, ops::kMaxAdminRequestBytes);
    if (!request.ok()) {
      return;
    }
    const Bytes answer = env::posix::BlockingWait(service_->Serve(std::move(*request)));
    if (!SendFrame(fd, answer).ok()) {
      return;
    }
  }
}

}  // namespace kvfs::tools
