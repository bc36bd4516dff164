// ProcessAdmin: what any daemon answers of itself: the options it runs with, what its log says, and
// metrics of the process. Owned by the composition root, borrowed by the admin service.
// Thread-safe.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "kvcore/ops/admin_service.h"

namespace kvfs::tools {

class ProcessAdmin final : public ops::AdminHandler, public ops::MetricSource {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;

  // `program`: "kvfsd". `options`: by their names on the command line; no secrets are among them.
  ProcessAdmin(std::string program, Options options)
      : program_(std::move(program)), options_(std::move(options)) {}

  void RegisterWith(ops::AdminService* service);

  Task<ops::AdminResponse> Handle(ops::AdminRequest request) override;
  void AddMetrics(ops::MetricList* list) override;

 private:
  const std::string program_;
  const Options options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace kvfs::tools
