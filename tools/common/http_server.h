// HttpServer: read-only pages of a daemon over HTTP, for scrapers, probes and a browser. A thread
// accepts, and each connection (bounded in number) has one of its own, serves one request and ends.
//
// Owned by the composition root; destroyed before what its pages ask.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "kvcore/base/status.h"
#include "tools/common/admin_channel.h"
#include "tools/common/http_request.h"

namespace kvfs::tools {

class HttpServer {
 public:
  // Called by many threads.
  using Page = std::function<HttpAnswer()>;
  using Pages = std::map<std::string, Page>;  // by path

  // `address`: HOST:PORT; port 0: one that is free. kInvalidArgument: an address that other
  // machines can reach, and not `insecure`: nothing is authenticated here.
  static Result<std::unique_ptr<HttpServer>> Start(const std::string& address, bool insecure,
                                                   Pages pages);
  // Waits for the answers under way.
  ~HttpServer();

  // With the port that it listens on.
  const std::string& address() const { return address_; }

 private:
  struct Connection {
    Socket socket;
    std::thread thread;
    bool done = false;  // guarded by mutex_
  };

  HttpServer(std::string address, bool is_loopback, Socket listener, Pages pages);
  void Accept();
  void Serve(Connection* connection);
  HttpAnswer Answer(const std::string& head, bool* is_head) const;
  void Reap(bool all);

  const std::string address_;
  const bool is_loopback_;
  const Pages pages_;
  const Socket listener_;
  std::mutex mutex_;  // guards connections_ and their `done`
  std::list<Connection> connections_;
  std::thread acceptor_;
};

// kInvalidArgument: not HOST:PORT, or reachable for other machines and not `insecure`.
Status CheckHttpAddress(const std::string& address, bool insecure);

}  // namespace kvfs::tools
