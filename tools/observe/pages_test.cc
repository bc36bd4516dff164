#include "tools/observe/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/admin/render.h"
#include "tools/observe/process_admin.h"

namespace kvfs::tools {
namespace {

using testing::HasSubstr;

class CountingStatus final : public ops::StatusContributor {
 public:
  Task<Status> Contribute(admin::StatusResponse* status) override {
    ++asked;
    status->mutable_filesystem()->set_mountpoint("/m\xff</script>");
    co_return Status::Ok();
  }
  int asked = 0;
};

class Pages : public ::testing::Test {
 protected:
  Pages() : process_("prog", {{"data", "/d"}}) {
    process_.RegisterWith(&service_);
    service_.RegisterStatus(&status_);
    pages_ = ObservationPages(
        &service_, [] { return Status::Ok(); }, [] { return Status::Unavailable("not yet"); });
  }

  ProcessAdmin process_;
  CountingStatus status_;
  ops::AdminService service_;
  HttpServer::Pages pages_;
};

TEST_F(Pages, ProbesSayWhyNot) {
  EXPECT_EQ(pages_.at("/healthz")().status, 200);
  const HttpAnswer ready = pages_.at("/readyz")();
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "not yet\n");
}

TEST_F(Pages, MetricsOfTheProcess) {
  const HttpAnswer metrics = pages_.at("/metrics")();
  EXPECT_THAT(metrics.body, HasSubstr("kvfs_build_info{program=\"prog\""));
  EXPECT_THAT(metrics.body, HasSubstr("\nprocess_open_fds "));
}

TEST_F(Pages, HoweverManyAskTheOthersAreAskedOnce) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(pages_.at("/status.json")().status, 200);
  }
  EXPECT_EQ(status_.asked, 1);
  // Names that are no UTF-8 do not break the JSON.
  EXPECT_TRUE(nlohmann::json::accept(pages_.at("/status.json")().body));
}

TEST_F(Pages, OnlyWhatIsServed) {
  EXPECT_FALSE(pages_.contains("/ring.json"));
  EXPECT_FALSE(pages_.contains("/conflicts.json"));
  EXPECT_THAT(pages_.at("/")().body, HasSubstr("<!DOCTYPE html>"));
}

TEST_F(Pages, OptionsAndLogLevel) {
  ops::AdminRequest request;
  request.mutable_log_level()->set_level("loud");
  EXPECT_EQ(ops::StatusOf(service_.Dispatch(request).TakeValue()).code(), Code::kInvalidArgument);
  request.mutable_config();
  const auto answer = service_.Dispatch(request).TakeValue();
  ASSERT_EQ(answer.config().options_size(), 1);
  EXPECT_EQ(answer.config().options(0).value(), "/d");
}

}  // namespace
}  // namespace kvfs::tools
