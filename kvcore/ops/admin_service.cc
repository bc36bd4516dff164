#include "kvcore/ops/admin_service.h"

#include <cassert>
#include <utility>

namespace kvfs::ops {

AdminResponse ErrorResponse(const Status& status) {
  assert(!status.ok());
  AdminResponse response;
  response.set_code(static_cast<uint32_t>(status.code()));
  response.set_message(status.message());
  return response;
}

Status StatusOf(const AdminResponse& response) {
  if (response.code() == 0) {
    return Status::Ok();
  }
  // A newer node may know more codes.
  const bool known = response.code() <= static_cast<uint32_t>(Code::kOutcomeUnknown);
  return {known ? static_cast<Code>(response.code()) : Code::kIoError, response.message()};
}

void AdminService::Register(AdminCommand command, AdminHandler* handler) {
  assert(command != AdminCommand::kStatus && command != AdminCommand::kMetrics &&
         command != AdminCommand::COMMAND_NOT_SET);
  const bool inserted = handlers_.emplace(command, handler).second;
  assert(inserted);
  (void)inserted;
}

void AdminService::Replace(AdminCommand command, AdminHandler* handler) {
  const auto registered = handlers_.find(command);
  assert(registered != handlers_.end());
  registered->second = handler;
}

void AdminService::RegisterStatus(StatusContributor* contributor) {
  contributors_.push_back(contributor);
}

void AdminService::RegisterMetrics(MetricSource* source) { metric_sources_.push_back(source); }

Task<Bytes> AdminService::Serve(Bytes request) {
  AdminRequest parsed;
  AdminResponse response;
  if (request.size() > kMaxAdminRequestBytes || !parsed.ParseFromString(request)) {
    response = ErrorResponse(Status::InvalidArgument("a malformed request"));
  } else {
    response = co_await Dispatch(std::move(parsed));
  }
  if (response.ByteSizeLong() > kMaxAdminResponseBytes) {
    response = ErrorResponse(Status::InvalidArgument("the answer is too long"));
  }
  co_return response.SerializeAsString();
}

Task<AdminResponse> AdminService::Dispatch(AdminRequest request) {
  const AdminCommand command = request.command_case();
  if (command == AdminCommand::kStatus) {
    co_return co_await AnswerStatus();
  }
  if (command == AdminCommand::kMetrics) {
    AdminResponse metrics;
    MetricList list(metrics.mutable_metrics());
    for (MetricSource* source : metric_sources_) {
      source->AddMetrics(&list);
    }
    co_return metrics;
  }
  const auto handler = handlers_.find(command);
  if (handler == handlers_.end()) {
    co_return ErrorResponse(
        Status::InvalidArgument(command == AdminCommand::COMMAND_NOT_SET
                                    ? "a request without a command that this version knows"
                                    : "this command is not served here"));
  }
  AdminResponse response = co_await handler->second->Handle(std::move(request));
  co_return response;
}

Task<AdminResponse> AdminService::AnswerStatus() {
  AdminResponse response;
  for (StatusContributor* contributor : contributors_) {
    Status contributed = co_await contributor->Contribute(response.mutable_status());
    if (!contributed.ok()) {
      co_return ErrorResponse(contributed);
    }
  }
  co_return response;
}

}  // namespace kvfs::ops
