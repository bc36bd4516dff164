#include "tools/common/admin_server.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace kvfs::tools {
namespace {

class Echo final : public ops::AdminHandler {
 public:
  Task<ops::AdminResponse> Handle(ops::AdminRequest request) override {
    ops::AdminResponse response;
    response.mutable_explain()->set_path(request.explain().path());
    co_return response;
  }
};

class AdminServerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kvfs_admin_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    // Longer than sockaddr_un could hold.
    directory_ = std::string(name) + "/" + std::string(120, 'd');
    std::filesystem::create_directory(directory_);
    service_.Register(ops::AdminCommand::kExplain, &echo_);
  }
  void TearDown() override {
    std::filesystem::remove_all(std::filesystem::path(directory_).parent_path());
  }

  std::string directory_;
  Echo echo_;
  ops::AdminService service_;
};

TEST_F(AdminServerTest, AnswersSeveralRequestsOfSeveralClients) {
  auto server = AdminServer::Start(directory_, &service_);
  ASSERT_TRUE(server.ok()) << server.error().ToString();
  for (int client = 0; client < 20; ++client) {
    auto socket = ConnectInDirectory(directory_);
    ASSERT_TRUE(socket.ok()) << socket.error().ToString();
    for (const char* path : {"/a", "/b"}) {
      ops::AdminRequest request;
      request.mutable_explain()->set_path(path);
      ASSERT_TRUE(SendFrame(socket->fd(), request.SerializeAsString()).ok());
      auto answer = ReceiveFrame(socket->fd(), ops::kMaxAdminResponseBytes);
      ASSERT_TRUE(answer.ok()) << answer.error().ToString();
      ops::AdminResponse response;
      ASSERT_TRUE(response.ParseFromString(*answer));
      EXPECT_EQ(response.explain().path(), path);
    }
  }
}

TEST_F(AdminServerTest, AnOversizedFrameEndsTheConnection) {
  auto server = AdminServer::Start(directory_, &service_);
  ASSERT_TRUE(server.ok());
  auto socket = ConnectInDirectory(directory_);
  ASSERT_TRUE(socket.ok());
  ASSERT_TRUE(SendFrame(socket->fd(), Bytes(ops::kMaxAdminRequestBytes + 1, 'x')).ok());
  EXPECT_FALSE(ReceiveFrame(socket->fd(), ops::kMaxAdminResponseBytes).ok());
}

TEST_F(AdminServerTest, EndsWithAClientConnectedAndLeavesNoSocket) {
  auto server = AdminServer::Start(directory_, &service_);
  ASSERT_TRUE(server.ok());
  auto socket = ConnectInDirectory(directory_);
  ASSERT_TRUE(socket.ok());
  server->reset();
  EXPECT_EQ(ConnectInDirectory(directory_).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace kvfs::tools
