#include "tools/observe/process_admin.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "tools/common/version.h"

namespace kvfs::tools {
namespace {

struct LevelName {
  spdlog::level::level_enum level;
  std::string_view name;
};
constexpr std::array kLevels = std::to_array<LevelName>({{spdlog::level::err, "error"},
                                                         {spdlog::level::warn, "warning"},
                                                         {spdlog::level::info, "info"},
                                                         {spdlog::level::debug, "debug"}});

double ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  in >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double OpenFiles() {
  std::error_code error;
  double count = 0;
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    ++count;
  }
  return count;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

ops::AdminResponse SetLevel(const std::string& wanted) {
  ops::AdminResponse response;
  if (!wanted.empty()) {
    bool known = false;
    for (const auto& [level, name] : kLevels) {
      if (name == wanted) {
        spdlog::info("the log level is {} from now on", wanted);
        spdlog::set_level(level);
        known = true;
      }
    }
    if (!known) {
      return ops::ErrorResponse(Status::InvalidArgument(
          "'" + wanted + "' is no log level; there are error, warning, info, debug"));
    }
  }
  for (const auto& [level, name] : kLevels) {
    if (level == spdlog::get_level()) {
      response.mutable_log_level()->set_level(std::string(name));
    }
  }
  return response;
}

}  // namespace

void ProcessAdmin::RegisterWith(ops::AdminService* service) {
  service->Register(ops::AdminCommand::kConfig, this);
  service->Register(ops::AdminCommand::kLogLevel, this);
  service->RegisterMetrics(this);
}

Task<ops::AdminResponse> ProcessAdmin::Handle(ops::AdminRequest request) {
  if (request.has_log_level()) {
    co_return SetLevel(request.log_level().level());
  }
  ops::AdminResponse response;
  for (const auto& [name, value] : options_) {
    admin::ConfigOption* const option = response.mutable_config()->add_options();
    option->set_name(name);
    option->set_value(value);
  }
  co_return response;
}

void ProcessAdmin::AddMetrics(ops::MetricList* list) {
  list->Gauge("kvfs_build_info", "1; the labels say which program of which version this is.", 1,
              {{"program", program_}, {"version", kVersion}});
  list->Gauge("kvfs_uptime_seconds", "Since the start of the process.",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count());
  list->Gauge("process_resident_memory_bytes", "Resident memory of the process.", ResidentBytes());
  list->Gauge("process_open_fds", "Open file descriptors.", OpenFiles());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  list->Counter("process_cpu_seconds_total", "Processor time, user and system.",
                Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
}

}  // namespace kvfs::tools
