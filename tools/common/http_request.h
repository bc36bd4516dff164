// The little of HTTP that a page and a scraper need: one GET or HEAD per connection. What comes
// from the network is not trusted. Pure.
#pragma once

#include <string>
#include <string_view>

namespace kvfs::tools {

inline constexpr size_t kMaxHttpRequestBytes = 8u << 10;

struct HttpRequest {
  std::string path;  // "/metrics"; what follows a '?' is left out
  std::string host;  // of the Host header, without a port; may be empty
  bool is_head = false;
};

struct HttpAnswer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

// Whether the head of a request is complete: what comes behind it is not read.
bool HasWholeHead(std::string_view bytes);
// 200 and the request, or the status of the refusal.
int ParseHttpRequest(std::string_view head, HttpRequest* request);
// As it goes over the network.
std::string HttpText(const HttpAnswer& answer, bool is_head);
// Whether a name or address means this machine alone, whatever is looked up where.
bool IsLoopbackHost(std::string_view host);

}  // namespace kvfs::tools
