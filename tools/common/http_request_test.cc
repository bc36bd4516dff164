#include "tools/common/http_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

int StatusOf(std::string_view head) {
  HttpRequest request;
  return ParseHttpRequest(head, &request);
}

TEST(HttpRequest, WhatAScraperSends) {
  HttpRequest request;
  EXPECT_EQ(ParseHttpRequest(
                "GET /metrics?x=1 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nAccept: */*\r\n\r\n", &request),
            200);
  EXPECT_EQ(request.path, "/metrics");
  EXPECT_EQ(request.host, "127.0.0.1");
  EXPECT_FALSE(request.is_head);
  EXPECT_EQ(ParseHttpRequest("HEAD / HTTP/1.0\nhOsT:\t[::1]:80 \n\n", &request), 200);
  EXPECT_EQ(request.host, "::1");
  EXPECT_TRUE(request.is_head);
  EXPECT_EQ(ParseHttpRequest("GET / HTTP/1.0\r\n\r\n", &request), 200);
  EXPECT_EQ(request.host, "");
}

TEST(HttpRequest, WhatIsRefused) {
  EXPECT_EQ(StatusOf(""), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\n"), 400);  // not complete
  EXPECT_EQ(StatusOf("\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET  HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET http://x/ HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /a b HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf(std::string("GET /\0 HTTP/1.1\r\n\r\n", 20)), 400);
  EXPECT_EQ(StatusOf("GET /\x80 HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/2\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("POST / HTTP/1.1\r\n\r\n"), 405);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nnonsense\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf(std::string(kMaxHttpRequestBytes, 'x')), 431);
}

// Every prefix and every changed byte of a good request is taken or refused, never worse.
TEST(HttpRequest, AnyBytes) {
  const std::string good = "GET /status.json HTTP/1.1\r\nHost: localhost:80\r\nX: y\r\n\r\n";
  for (size_t size = 0; size <= good.size(); ++size) {
    StatusOf(good.substr(0, size));
    for (const char c : {'\0', ' ', ':', '\n', '\r', '[', ']', '\xff'}) {
      std::string changed = good;
      changed[std::min(size, good.size() - 1)] = c;
      StatusOf(changed);
    }
  }
}

TEST(HttpAnswer, HasALength) {
  const HttpAnswer answer{.status = 404, .type = "text/plain", .body = "no\n"};
  EXPECT_THAT(HttpText(answer, false), testing::StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(HttpText(answer, false), testing::HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(HttpText(answer, false), testing::EndsWith("\r\n\r\nno\n"));
  EXPECT_THAT(HttpText(answer, true), testing::EndsWith("\r\n\r\n"));
}

TEST(HttpRequest, Loopback) {
  for (const char* host : {"localhost", "127.0.0.1", "127.1.2.3", "::1"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host : {"", "127.evil.example", "10.0.0.1", "0.0.0.0", "::", "localhost.evil"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

}  // namespace
}  // namespace kvfs::tools
