#include "kvcore/ops/admin_service.h"

#include <gtest/gtest.h>

#include <random>

namespace kvfs::ops {
namespace {

class Echo final : public AdminHandler {
 public:
  Task<AdminResponse> Handle(AdminRequest request) override {
    AdminResponse response;
    response.mutable_explain()->set_path(request.explain().path());
    co_return response;
  }
};

class Pid final : public StatusContributor {
 public:
  explicit Pid(Status answer) : answer_(std::move(answer)) {}
  Task<Status> Contribute(admin::StatusResponse* status) override {
    status->mutable_process()->set_pid(17);
    co_return answer_;
  }

 private:
  const Status answer_;
};

AdminResponse Serve(AdminService* service, Bytes request) {
  auto task = service->Serve(std::move(request));
  AdminResponse response;
  EXPECT_TRUE(task.IsDone());
  EXPECT_TRUE(response.ParseFromString(task.TakeValue()));
  return response;
}

TEST(AdminService, TheHandlerOfTheCommandAnswers) {
  AdminService service;
  Echo echo;
  service.Register(AdminCommand::kExplain, &echo);
  AdminRequest request;
  request.mutable_explain()->set_path("/a/b");
  const AdminResponse response = Serve(&service, request.SerializeAsString());
  EXPECT_TRUE(StatusOf(response).ok());
  EXPECT_EQ(response.explain().path(), "/a/b");
}

TEST(AdminService, WhatNobodyServesIsRefused) {
  AdminService service;
  AdminRequest request;
  request.mutable_compact();
  EXPECT_EQ(StatusOf(Serve(&service, request.SerializeAsString())).code(), Code::kInvalidArgument);
  EXPECT_EQ(StatusOf(Serve(&service, "")).code(), Code::kInvalidArgument);
}

TEST(AdminService, StatusIsPutTogether) {
  AdminService service;
  Pid pid{Status::Ok()};
  service.RegisterStatus(&pid);
  AdminRequest request;
  request.mutable_status();
  EXPECT_EQ(Serve(&service, request.SerializeAsString()).status().process().pid(), 17);
  Pid broken{Status::IoError("no")};
  service.RegisterStatus(&broken);
  const AdminResponse response = Serve(&service, request.SerializeAsString());
  EXPECT_EQ(StatusOf(response).code(), Code::kIoError);
  EXPECT_EQ(StatusOf(response).message(), "no");
}

TEST(AdminService, AnyBytesGetAnAnswer) {
  AdminService service;
  Echo echo;
  service.Register(AdminCommand::kExplain, &echo);
  std::mt19937 random(1);
  AdminRequest request;
  request.mutable_explain()->set_path("/some/path");
  const Bytes good = request.SerializeAsString();
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = good.substr(0, random() % (good.size() + 1));
    if (!bytes.empty()) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    (void)Serve(&service, std::move(bytes));
  }
  EXPECT_EQ(StatusOf(Serve(&service, Bytes(kMaxAdminRequestBytes + 1, 'x'))).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace kvfs::ops
