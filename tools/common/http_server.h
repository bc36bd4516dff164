// HttpServer: read-only pages of a daemon over HTTP, for scrapers, probes and a browser. A
// connection serves one request and ends.
//
// Owned by the composition root; destroyed before what its pages ask.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kvcore/base/status.h"
#include "tools/common/connection_server.h"
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
  // With the port that it listens on.
  const std::string& address() const { return address_; }

 private:
  HttpServer(std::string address, bool is_loopback, Socket listener, Pages pages);
  void Serve(int fd) const;
  HttpAnswer Answer(const std::string& head, bool* is_head) const;

  const std::string address_;
  const bool is_loopback_;
  const Pages pages_;
  ConnectionServer connections_;
};

// kInvalidArgument: not HOST:PORT, or reachable for other machines and not `insecure`.
Status CheckHttpAddress(const std::string& address, bool insecure);

}  // namespace kvfs::tools
