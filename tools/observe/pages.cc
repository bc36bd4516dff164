#include "tools/observe/pages.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/ops/metrics.h"
#include "kvcore/ring/layout.h"
#include "tools/admin/render.h"
#include "tools/observe/web_page.h"

namespace kvfs::tools {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFresh{1'000};
constexpr char kJson[] = "application/json";

ops::AdminResponse Ask(ops::AdminService* service, ops::AdminRequest request) {
  return env::posix::BlockingWait(service->Dispatch(std::move(request)));
}

HttpAnswer Refusal(const Status& status) {
  return {.status = 503, .body = status.message() + "\n"};
}

// Names are bytes, JSON is UTF-8.
HttpAnswer Json(const nlohmann::json& value) {
  return {.type = kJson,
          .body = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

// One answer for all who ask within a second, and one question at a time.
class Cached {
 public:
  explicit Cached(HttpServer::Page page) : page_(std::move(page)) {}

  HttpAnswer Get() {
    const std::lock_guard lock(mutex_);
    if (!answer_.has_value() || steady_clock::now() - made_ > kFresh) {
      answer_ = page_();
      made_ = steady_clock::now();
    }
    return *answer_;
  }

 private:
  const HttpServer::Page page_;
  std::mutex mutex_;  // guards the rest, and is held while the page is made
  std::optional<HttpAnswer> answer_;
  steady_clock::time_point made_;
};

HttpServer::Page Caching(HttpServer::Page page) {
  return [cached = std::make_shared<Cached>(std::move(page))] { return cached->Get(); };
}

HttpServer::Page ProbePage(Probe probe) {
  return Caching([probe = std::move(probe)] {
    const Status status = probe();
    return status.ok() ? HttpAnswer{.body = "ok\n"} : Refusal(status);
  });
}

}  // namespace

HttpServer::Pages ObservationPages(ops::AdminService* service, Probe health, Probe ready) {
  HttpServer::Pages pages;
  pages["/"] = [] { return HttpAnswer{.type = "text/html; charset=utf-8", .body = kWebPage}; };
  pages["/healthz"] = ProbePage(std::move(health));
  pages["/readyz"] = ProbePage(std::move(ready));
  pages["/metrics"] = Caching([service] {
    ops::AdminRequest request;
    request.mutable_metrics();
    return HttpAnswer{.type = "text/plain; version=0.0.4; charset=utf-8",
                      .body = ops::PrometheusText(Ask(service, request).metrics())};
  });
  pages["/status.json"] = Caching([service] {
    ops::AdminRequest request;
    request.mutable_status();
    const auto response = Ask(service, request);
    const Status status = ops::StatusOf(response);
    return status.ok() ? Json(ToJson(response.status())) : Refusal(status);
  });
  if (service->Serves(ops::AdminCommand::kRing)) {
    pages["/ring.json"] = Caching([service] {
      ops::AdminRequest request;
      request.mutable_ring();
      const auto layout = ring::DecodeLayout(Ask(service, request).ring().layout());
      return layout.ok() ? Json(LayoutJson(*layout)) : Refusal(layout.status());
    });
  }
  if (service->Serves(ops::AdminCommand::kConflicts)) {
    pages["/conflicts.json"] = Caching([service] {
      ops::AdminRequest request;
      request.mutable_conflicts();
      const auto response = Ask(service, request);
      const Status status = ops::StatusOf(response);
      return status.ok() ? Json(ToJson(response.conflicts())) : Refusal(status);
    });
  }
  return pages;
}

}  // namespace kvfs::tools
