#include "tools/admin/watch_commands.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "kvcore/ops/metrics.h"
#include "tools/admin/counted.h"
#include "tools/admin/every_node.h"
#include "tools/admin/locate.h"
#include "tools/admin/print.h"
#include "tools/common/paths.h"
#include "tools/common/size.h"
#include "tools/common/table.h"

namespace kvfs::tools {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr char kRequests[] = "kvfs_request_seconds";
constexpr char kOperations[] = "kvfs_fuse_operation_seconds";
constexpr size_t kShownSlow = 15;

// What clients and mounts ask for; the rest nodes do for each other.
std::set<std::string> AskedMethods() {
  return {"submit", "read", "put_chunk", "read_chunk", "sync"};
}

ops::AdminRequest ForMetrics() {
  ops::AdminRequest request;
  request.mutable_metrics();
  return request;
}

std::string Micros(uint64_t micros) {
  if (micros == 0) {
    return "-";
  }
  char text[32];
  const auto value = static_cast<double>(micros);
  if (micros < 1'000) {
    std::snprintf(text, sizeof(text), "%.0f us", value);
  } else if (micros < 1'000'000) {
    std::snprintf(text, sizeof(text), "%.1f ms", value / 1e3);
  } else {
    std::snprintf(text, sizeof(text), "%.1f s", value / 1e6);
  }
  return text;
}

std::string Rounded(double value, const char* format = "%.0f") {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

Status CheckSeconds(double seconds, const char* option) {
  return seconds >= 0.1 && seconds <= 3600
             ? Status::Ok()
             : Status::InvalidArgument(std::string(option) + " is 0.1 to 3600 seconds");
}

// One line of `top`, for programs; text is made from it.
json TopLine(uint64_t node, const admin::MetricsResponse& before,
             const admin::MetricsResponse& after, double seconds) {
  const auto rates = OperationsBetween(before, after, node == 0 ? kOperations : kRequests);
  const OperationRate asked = Together(rates, node == 0 ? std::set<std::string>() : AskedMethods());
  const OperationRate all = Together(rates, {});
  const auto rate = [&](const char* name) {
    return std::max(0.0, ValueOf(after, name) - ValueOf(before, name)) / seconds;
  };
  const char* const hits =
      node == 0 ? "kvfs_mount_cache_hits_total" : "kvfs_engine_cache_hits_total";
  const char* const misses =
      node == 0 ? "kvfs_mount_cache_misses_total" : "kvfs_engine_cache_misses_total";
  const double looked = rate(hits) + rate(misses);
  return {{"node_id", node},
          {"operations_per_second", static_cast<double>(asked.count) / seconds},
          {"all_requests_per_second", static_cast<double>(all.count) / seconds},
          {"p50_micros", ops::PercentileMicros(asked.counts, 50)},
          {"p99_micros", ops::PercentileMicros(asked.counts, 99)},
          {"disk_written_bytes_per_second", rate("kvfs_engine_disk_written_bytes_total")},
          {"cache_hit_part", looked > 0 ? rate(hits) / looked : 1.0},
          {"cpu", rate("process_cpu_seconds_total")},
          {"resident_bytes", ValueOf(after, "process_resident_memory_bytes")}};
}

std::vector<std::string> TopRow(const json& line) {
  const auto number = [&](const char* name) { return line[name].get<double>(); };
  const auto node = line["node_id"].get<uint64_t>();
  return {node == 0 ? "mount" : std::to_string(node),
          Rounded(number("operations_per_second")),
          Micros(line["p50_micros"].get<uint64_t>()),
          Micros(line["p99_micros"].get<uint64_t>()),
          Rounded(number("all_requests_per_second")),
          FormatSize(static_cast<uint64_t>(number("disk_written_bytes_per_second"))) + "/s",
          Rounded(100 * number("cache_hit_part")) + " %",
          Rounded(100 * number("cpu")) + " %",
          FormatSize(static_cast<uint64_t>(number("resident_bytes")))};
}

json OperationJson(const admin::RunningOperation& operation) {
  return {{"operation", operation.operation()},
          {"inode", operation.ino()},
          {"took_micros", operation.took_micros()},
          {"error", operation.error()}};
}

std::string OperationsTable(const std::vector<admin::RunningOperation>& operations) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& operation : operations) {
    if (rows.size() == kShownSlow) {
      break;
    }
    rows.push_back({operation.operation(), Micros(operation.took_micros()),
                    std::to_string(operation.ino()),
                    operation.error() == 0 ? "-" : "errno " + std::to_string(operation.error())});
  }
  return FormatTable({"OPERATION", "TOOK", "INODE", "ERROR"}, rows);
}

}  // namespace

Result<int> TopCommand(const AdminFlags& flags, const TopFlags& top) {
  KVFS_RETURN_IF_ERROR(CheckSeconds(top.interval_seconds, "--interval"));
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  std::map<uint64_t, admin::MetricsResponse> before;
  auto then = steady_clock::now();
  for (uint32_t pictures = 0;;) {
    KVFS_ASSIGN_OR_RETURN(auto answers, AskEveryNode(asker.get(), ForMetrics()));
    const auto now = steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - then).count();
    then = now;
    json lines = json::array();
    std::vector<std::vector<std::string>> rows;
    std::map<uint64_t, admin::MetricsResponse> after;
    for (NodeAnswer& answer : answers) {
      if (answer.node == 0) {
        KVFS_RETURN_IF_ERROR(answer.response.status());
      }
      if (!answer.response.ok()) {
        lines.push_back({{"node_id", answer.node}, {"error", answer.response.error().message()}});
        rows.push_back({std::to_string(answer.node), answer.response.error().message(), "", "", "",
                        "", "", "", ""});
        continue;
      }
      after[answer.node] = std::move(*answer.response->mutable_metrics());
      if (before.contains(answer.node)) {
        lines.push_back(TopLine(answer.node, before[answer.node], after[answer.node], seconds));
        rows.push_back(TopRow(lines.back()));
      }
    }
    if (!before.empty()) {
      if (flags.json) {
        PrintJson({{"nodes", lines}});
      } else {
        std::printf(
            "%s%s\n", top.count == 0 ? "\033[H\033[2J" : "",
            FormatTable(
                {"NODE", "OPS/S", "P50", "P99", "ALL/S", "WRITTEN", "CACHE", "CPU", "MEMORY"}, rows)
                .c_str());
      }
      if (std::fflush(stdout) != 0 || ++pictures == top.count) {
        return kExitOk;
      }
    }
    before = std::move(after);
    std::this_thread::sleep_for(std::chrono::duration<double>(top.interval_seconds));
  }
}

Result<int> ProfileCommand(const AdminFlags& flags, const std::string& mountpoint, double seconds) {
  KVFS_RETURN_IF_ERROR(CheckSeconds(seconds, "--seconds"));
  KVFS_ASSIGN_OR_RETURN(const std::string canonical, CanonicalPath(mountpoint));
  AdminFlags mounted = flags;
  KVFS_ASSIGN_OR_RETURN(mounted.store, StoreOfFile(canonical));
  mounted.peer.clear();
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(mounted));
  ops::AdminRequest operations;
  operations.mutable_operations();
  KVFS_ASSIGN_OR_RETURN(const auto first, asker->Ask(operations));
  KVFS_ASSIGN_OR_RETURN(const auto before, asker->Ask(ForMetrics()));
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  KVFS_ASSIGN_OR_RETURN(const auto after, asker->Ask(ForMetrics()));
  KVFS_ASSIGN_OR_RETURN(const auto last, asker->Ask(operations));

  auto rates = OperationsBetween(before.metrics(), after.metrics(), kOperations);
  std::sort(rates.begin(), rates.end(),
            [](const auto& a, const auto& b) { return a.sum_seconds > b.sum_seconds; });
  std::vector<admin::RunningOperation> slow;
  for (const auto& operation : last.operations().slow()) {
    if (operation.began_micros() + operation.took_micros() >= first.operations().now_micros()) {
      slow.push_back(operation);
    }
  }
  const auto longer = [](const auto& a, const auto& b) {
    return a.took_micros() > b.took_micros();
  };
  std::sort(slow.begin(), slow.end(), longer);
  const std::vector<admin::RunningOperation> running(last.operations().running().begin(),
                                                     last.operations().running().end());
  if (flags.json) {
    json kinds = json::array(), slowest = json::array(), now = json::array();
    for (const auto& rate : rates) {
      kinds.push_back({{"operation", rate.name},
                       {"count", rate.count},
                       {"sum_seconds", rate.sum_seconds},
                       {"p50_micros", ops::PercentileMicros(rate.counts, 50)},
                       {"p99_micros", ops::PercentileMicros(rate.counts, 99)}});
    }
    for (const auto& operation : slow) {
      slowest.push_back(OperationJson(operation));
    }
    for (const auto& operation : running) {
      now.push_back(OperationJson(operation));
    }
    PrintJson({{"seconds", seconds},
               {"operations", kinds},
               {"slow", slowest},
               {"running", now},
               {"slow_micros", last.operations().slow_micros()}});
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& rate : rates) {
    const double mean = rate.sum_seconds * 1e6 / static_cast<double>(rate.count);
    rows.push_back({rate.name, std::to_string(rate.count),
                    Rounded(static_cast<double>(rate.count) / seconds, "%.1f"),
                    Micros(static_cast<uint64_t>(mean)),
                    Micros(ops::PercentileMicros(rate.counts, 50)),
                    Micros(ops::PercentileMicros(rate.counts, 99)),
                    Rounded(100 * rate.sum_seconds / seconds, "%.1f") + " %"});
  }
  std::fputs(
      FormatTable({"OPERATION", "COUNT", "PER S", "MEAN", "P50 <=", "P99 <=", "OF THE TIME"}, rows)
          .c_str(),
      stdout);
  std::printf("\n%zu took %s or longer\n", slow.size(),
              Micros(last.operations().slow_micros()).c_str());
  std::fputs(slow.empty() ? "" : OperationsTable(slow).c_str(), stdout);
  if (!running.empty()) {
    std::printf("\n%zu are under way\n%s", running.size(), OperationsTable(running).c_str());
  }
  return kExitOk;
}

}  // namespace kvfs::tools
