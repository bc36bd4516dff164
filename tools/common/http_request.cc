#include "tools/common/http_request.h"

#include <algorithm>

namespace kvfs::tools {
namespace {

// The next line, without its end; empty once the head is over.
std::string_view TakeLine(std::string_view* rest) {
  const size_t end = std::min(rest->find('\n'), rest->size());
  std::string_view line = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool SameLetters(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(1, end - 1);
  }
  return host.substr(0, std::min(host.find(':'), host.size()));
}

const char* WordsOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Bad Request";
  }
}

}  // namespace

bool HasWholeHead(std::string_view bytes) {
  return bytes.find("\r\n\r\n") != std::string_view::npos ||
         bytes.find("\n\n") != std::string_view::npos;
}

int ParseHttpRequest(std::string_view head, HttpRequest* request) {
  if (!HasWholeHead(head)) {
    return head.size() >= kMaxHttpRequestBytes ? 431 : 400;
  }
  const std::string_view line = TakeLine(&head);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last ||
      !line.substr(last + 1).starts_with("HTTP/1.")) {
    return 400;
  }
  const std::string_view method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, last - first - 1);
  if (!target.starts_with('/') || !IsPrintable(target)) {
    return 400;
  }
  if (method != "GET" && method != "HEAD") {
    return 405;
  }
  request->is_head = method == "HEAD";
  request->path = target.substr(0, std::min(target.find('?'), target.size()));
  request->host.clear();
  for (std::string_view header = TakeLine(&head); !header.empty(); header = TakeLine(&head)) {
    const size_t colon = header.find(':');
    if (colon == std::string_view::npos) {
      return 400;
    }
    if (!SameLetters(header.substr(0, colon), "host")) {
      continue;
    }
    std::string_view value = header.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    value = value.substr(0, std::min(value.find_last_not_of(" \t") + 1, value.size()));
    if (!request->host.empty() || !IsPrintable(value)) {
      return 400;
    }
    request->host = WithoutPort(value);
  }
  return 200;
}

std::string HttpText(const HttpAnswer& answer, bool is_head) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + WordsOf(answer.status) +
                     "\r\nContent-Type: " + answer.type +
                     "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                     "\r\nConnection: close\r\nCache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\n"
                     "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
                     "script-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
                     "frame-ancestors 'none'\r\n\r\n";
  return is_head ? text : text + answer.body;
}

bool IsLoopbackHost(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && std::all_of(host.begin(), host.end(), [](char c) {
            return c == '.' || (c >= '0' && c <= '9');
          }));
}

}  // namespace kvfs::tools
