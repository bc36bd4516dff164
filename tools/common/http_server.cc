#include "tools/common/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "tools/common/paths.h"

namespace kvfs::tools {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kMaxConnections = 32;
constexpr int kBacklog = 32;
constexpr milliseconds kRequestPatience{5'000};  // for the whole head, however slowly it comes
constexpr time_t kSendSeconds = 10;

struct HostAndPort {
  std::string host;  // without brackets
  std::string port;
};

Result<HostAndPort> Divide(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostAndPort parts;
  if (colon != std::string::npos) {
    parts = {address.substr(0, colon), address.substr(colon + 1)};
  }
  uint32_t port = 0;
  const char* const end = parts.port.data() + parts.port.size();
  const auto [stopped, error] = std::from_chars(parts.port.data(), end, port);
  if (parts.host.starts_with('[') && parts.host.ends_with(']')) {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  } else if (parts.host.find(':') != std::string::npos) {
    parts.host.clear();
  }
  if (parts.host.empty() || error != std::errc() || stopped != end || port > 65535) {
    return Status::InvalidArgument("'" + address + "' is not HOST:PORT (an IPv6 host in brackets)");
  }
  return parts;
}

Result<Socket> Listen(const HostAndPort& at) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(at.host.c_str(), at.port.c_str(), &hints, &found); error != 0) {
    return Status::InvalidArgument("cannot listen on " + at.host + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, freeaddrinfo);
  Socket listener(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!listener.valid() ||
      setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(listener.fd(), found->ai_addr, found->ai_addrlen) != 0 ||
      listen(listener.fd(), kBacklog) != 0) {
    return ErrnoStatus("cannot listen for HTTP on " + at.host + ":" + at.port, errno);
  }
  return listener;
}

uint16_t PortOf(const Socket& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// What has come of a request when its head is whole, the peer has nothing more to say, or its time
// is over.
std::string ReceiveHead(int fd) {
  std::string head;
  const auto deadline = steady_clock::now() + kRequestPatience;
  while (!HasWholeHead(head) && head.size() < kMaxHttpRequestBytes) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
      break;
    }
    std::array<char, 1024> buffer;
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) {
      break;
    }
    head.append(buffer.data(), static_cast<size_t>(got));
  }
  return head;
}

void SendAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent <= 0) {
      return;  // it has gone, or does not read
    }
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

// What the peer still sends is taken and thrown away for a moment: closing before would take the
// answer from it.
void DrainBriefly(int fd) {
  shutdown(fd, SHUT_WR);
  std::array<char, 4096> buffer;
  for (int reads = 0; reads < 16; ++reads) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 200) <= 0 || recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT) <= 0) {
      return;
    }
  }
}

bool LimitSending(int fd) {
  const timeval patience{.tv_sec = kSendSeconds, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return true;
}

}  // namespace

Status CheckHttpAddress(const std::string& address, bool insecure) {
  KVFS_ASSIGN_OR_RETURN(const HostAndPort at, Divide(address));
  if (!insecure && !IsLoopbackHost(at.host)) {
    return Status::InvalidArgument("--http " + address +
                                   ": other machines could read there how this one is, and nothing "
                                   "is authenticated; listen on "
                                   "127.0.0.1, or say --insecure");
  }
  return Status::Ok();
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, bool insecure,
                                                      Pages pages) {
  KVFS_RETURN_IF_ERROR(CheckHttpAddress(address, insecure));
  KVFS_ASSIGN_OR_RETURN(const HostAndPort at, Divide(address));
  KVFS_ASSIGN_OR_RETURN(Socket listener, Listen(at));
  std::string bound = address.substr(0, address.rfind(':') + 1) + std::to_string(PortOf(listener));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(bound), IsLoopbackHost(at.host),
                                                    std::move(listener), std::move(pages)));
}

HttpServer::HttpServer(std::string address, bool is_loopback, Socket listener, Pages pages)
    : address_(std::move(address)),
      is_loopback_(is_loopback),
      pages_(std::move(pages)),
      connections_(std::move(listener), {.max_connections = kMaxConnections,
                                         .admit = LimitSending,
                                         .serve = [this](int fd) { Serve(fd); }}) {}

HttpAnswer HttpServer::Answer(const std::string& head, bool* is_head) const {
  HttpRequest request;
  const int status = ParseHttpRequest(head, &request);
  *is_head = request.is_head;
  if (status != 200) {
    return {.status = status, .body = "not a request that is answered here\n"};
  }
  // A page of somebody else's in a browser here must not read this by a name that it had resolved
  // to this machine.
  if (is_loopback_ && !request.host.empty() && !IsLoopbackHost(request.host)) {
    return {.status = 403, .body = "not by this name\n"};
  }
  const auto page = pages_.find(request.path);
  if (page == pages_.end()) {
    std::string there;
    for (const auto& [path, unused] : pages_) {
      there += path + "\n";
    }
    return {.status = 404, .body = "there are only:\n" + there};
  }
  return page->second();
}

void HttpServer::Serve(int fd) const {
  const std::string head = ReceiveHead(fd);
  if (!head.empty()) {
    bool is_head = false;
    const HttpAnswer answer = Answer(head, &is_head);
    SendAll(fd, HttpText(answer, is_head));
    DrainBriefly(fd);
  }
}

}  // namespace kvfs::tools
