// AdminService: answers what kvfs-admin asks of a running node. It knows no sockets:
// the composition root gives it the bytes of a request and sends the bytes it returns.
//
// A command is served by the handler registered for it; the store registers its own
// (store_admin.h), the filesystem and the daemon theirs. Handlers are registered before
// the first request and borrowed. Thread-safe after that.
#pragma once

#include <map>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"
#include "kvcore/base/task.h"
#include "kvcore/ops/metrics.h"
#include "kvcore/proto/admin.pb.h"

namespace kvfs::ops {

using AdminRequest = admin::AdminRequest;
using AdminResponse = admin::AdminResponse;
using AdminCommand = admin::AdminRequest::CommandCase;

// Bound on a request and on an answer, in bytes; whoever reads frames checks it before reading on.
inline constexpr size_t kMaxAdminRequestBytes = 64u << 10;
inline constexpr size_t kMaxAdminResponseBytes = 16u << 20;

class AdminHandler {
 public:
  virtual ~AdminHandler() = default;
  // `request` holds the command the handler was registered for. Errors go into the response.
  virtual Task<AdminResponse> Handle(AdminRequest request) = 0;
};

// Adds a part of its own to the answer to `status`.
class StatusContributor {
 public:
  virtual ~StatusContributor() = default;
  virtual Task<Status> Contribute(admin::StatusResponse* status) = 0;
};

// Adds metrics of its own to the answer to `metrics`.
class MetricSource {
 public:
  virtual ~MetricSource() = default;
  virtual void AddMetrics(MetricList* list) = 0;
};

AdminResponse ErrorResponse(const Status& status);
// The status of an answer, as its reader sees it.
Status StatusOf(const AdminResponse& response);

class AdminService {
 public:
  // REQUIRES: nothing is registered for `command` yet, and it is neither kStatus nor kMetrics.
  void Register(AdminCommand command, AdminHandler* handler);
  // For a handler that does more and asks the registered one for its part.
  // REQUIRES: something is registered for `command`.
  void Replace(AdminCommand command, AdminHandler* handler);
  // Asked in the order of registration.
  void RegisterStatus(StatusContributor* contributor);
  void RegisterMetrics(MetricSource* source);

  // Whether there is a handler.
  bool Serves(AdminCommand command) const { return handlers_.contains(command); }

  // Any bytes in, always an encoded AdminResponse out.
  Task<Bytes> Serve(Bytes request);
  Task<AdminResponse> Dispatch(AdminRequest request);

 private:
  Task<AdminResponse> AnswerStatus();

  std::map<AdminCommand, AdminHandler*> handlers_;
  std::vector<StatusContributor*> contributors_;
  std::vector<MetricSource*> metric_sources_;
};

}  // namespace kvfs::ops
