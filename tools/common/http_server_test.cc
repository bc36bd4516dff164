#include "tools/common/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <vector>

namespace kvfs::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Socket ConnectTo(const HttpServer& server) {
  Socket socket_(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(
      static_cast<uint16_t>(std::stoi(server.address().substr(server.address().rfind(':') + 1))));
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  EXPECT_EQ(connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return socket_;
}

// Everything that is answered until the other side closes.
std::string Ask(const HttpServer& server, const std::string& request) {
  const Socket peer = ConnectTo(server);
  EXPECT_EQ(send(peer.fd(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = recv(peer.fd(), buffer.data(), buffer.size(), 0)) > 0;) {
    answer.append(buffer.data(), static_cast<size_t>(got));
  }
  return answer;
}

std::unique_ptr<HttpServer> MakeServer() {
  auto server =
      HttpServer::Start("127.0.0.1:0", false,
                        {{"/a", [] { return HttpAnswer{.body = "this is a\n"}; }},
                         {"/large", [] { return HttpAnswer{.body = std::string(1 << 20, 'x')}; }}});
  EXPECT_TRUE(server.ok()) << server.status().ToString();
  return std::move(*server);
}

TEST(HttpServer, AnswersAndEnds) {
  const auto server = MakeServer();
  EXPECT_THAT(Ask(*server, "GET /a HTTP/1.1\r\n\r\n"), HasSubstr("\r\n\r\nthis is a\n"));
  EXPECT_GT(Ask(*server, "GET /large HTTP/1.1\r\n\r\n").size(), size_t{1} << 20);
  EXPECT_THAT(Ask(*server, "HEAD /a HTTP/1.1\r\n\r\n"), testing::EndsWith("\r\n\r\n"));
  EXPECT_THAT(Ask(*server, "GET /b HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(*server, "DELETE /a HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask(*server, std::string(kMaxHttpRequestBytes, 'x')), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask(*server, "GET /a HTTP/1.1\r\nHost: localhost:1\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_THAT(Ask(*server, "GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
              StartsWith("HTTP/1.1 403 "));
}

// Connections that say nothing take no more than their number, and do not hold up the end.
TEST(HttpServer, ManyThatSayNothing) {
  auto server = MakeServer();
  std::vector<Socket> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(ConnectTo(*server));
  }
  server.reset();
}

TEST(HttpServer, OnlyThisMachineUnlessToldOtherwise) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "example.org:80"}) {
    EXPECT_EQ(CheckHttpAddress(address, false).code(), Code::kInvalidArgument) << address;
    EXPECT_TRUE(CheckHttpAddress(address, true).ok()) << address;
  }
  for (const char* address : {"127.0.0.1:9100", "localhost:9100", "[::1]:9100"}) {
    EXPECT_TRUE(CheckHttpAddress(address, false).ok()) << address;
  }
  for (const char* address :
       {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:70000", "::1:80", "a:b"}) {
    EXPECT_FALSE(CheckHttpAddress(address, true).ok()) << address;
  }
}

}  // namespace
}  // namespace kvfs::tools
