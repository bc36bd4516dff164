#include "tools/admin/care_commands.h"

#include <chrono>
#include <thread>

#include "kvcore/ops/metrics.h"
#include "tools/admin/every_node.h"
#include "tools/admin/print.h"
#include "tools/common/table.h"

namespace kvfs::tools {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

Result<ops::AdminResponse> AskOnce(const AdminFlags& flags, const ops::AdminRequest& request) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  return asker->Ask(request);
}

std::string NodeName(uint64_t node) { return node == 0 ? "here" : std::to_string(node); }

std::string BehindText(const admin::HintsResponse& hints) {
  std::string text;
  for (const auto& home : hints.behind()) {
    text += (text.empty() ? "" : ", ") + std::to_string(home.keys()) + " of node " +
            std::to_string(home.node_id());
  }
  return text.empty() ? "-" : text;
}

json HintsJson(const NodeAnswer& answer) {
  if (!answer.response.ok()) {
    return {{"node_id", answer.node}, {"error", answer.response.error().message()}};
  }
  const auto& hints = answer.response->hints();
  json behind = json::array();
  for (const auto& home : hints.behind()) {
    behind.push_back({{"node_id", home.node_id()}, {"keys", home.keys()}});
  }
  return {{"node_id", answer.node},
          {"chunks", hints.chunks()},
          {"chunks_bound", hints.chunks_bound()},
          {"unmerged_keys", hints.unmerged_keys()},
          {"unmerged_is_more", hints.unmerged_is_more()},
          {"behind", behind}};
}

// What stands between a cluster and being the same everywhere.
struct Convergence {
  admin::CompareHomesResponse homes;
  uint64_t differ_in_keys = 0;
  uint64_t differ_in_chunks = 0;
  uint64_t kept_for_others = 0;  // chunks and partition keys; on nodes that answer

  bool IsProved() const { return differ_in_keys == 0 && homes.silent().empty(); }
};

Result<Convergence> Look(Asker* asker) {
  Convergence found;
  ops::AdminRequest request;
  request.mutable_compare_homes();
  KVFS_ASSIGN_OR_RETURN(auto response, asker->Ask(request));
  found.homes = std::move(*response.mutable_compare_homes());
  for (const auto& partition : found.homes.partitions()) {
    found.differ_in_keys += partition.differs_in_keys() ? 1 : 0;
    found.differ_in_chunks += partition.differs_in_chunks() ? 1 : 0;
  }
  request.mutable_hints();
  KVFS_ASSIGN_OR_RETURN(const auto hints, AskEveryNode(asker, request));
  for (const NodeAnswer& answer : hints) {
    if (answer.response.ok()) {
      found.kept_for_others +=
          answer.response->hints().chunks() + answer.response->hints().unmerged_keys();
    }
  }
  return found;
}

json ConvergenceJson(const Convergence& found) {
  json partitions = json::array();
  for (const auto& partition : found.homes.partitions()) {
    json homes = json::array();
    for (const auto& home : partition.homes()) {
      homes.push_back({{"node_id", home.node_id()},
                       {"keys", ToHex(home.keys())},
                       {"chunks", ToHex(home.chunks())}});
    }
    partitions.push_back({{"partition", partition.partition()},
                          {"differs_in_keys", partition.differs_in_keys()},
                          {"differs_in_chunks", partition.differs_in_chunks()},
                          {"homes", homes}});
  }
  return {
      {"compared", found.homes.compared()},
      {"converged", found.IsProved()},
      {"differ_in_keys", found.differ_in_keys},
      {"differ_in_chunks", found.differ_in_chunks},
      {"kept_for_others", found.kept_for_others},
      {"silent", std::vector<uint64_t>(found.homes.silent().begin(), found.homes.silent().end())},
      {"partitions", partitions}};
}

std::string ConvergenceText(const Convergence& found) {
  std::string out;
  std::vector<std::vector<std::string>> rows;
  for (const auto& partition : found.homes.partitions()) {
    if (rows.size() == 20) {
      break;
    }
    if (!partition.differs_in_keys() && !partition.differs_in_chunks()) {
      continue;
    }
    for (const auto& home : partition.homes()) {
      const auto shown = [](const std::string& sum) {
        return sum.empty() ? "no answer" : ToHex(sum).substr(0, 16);
      };
      rows.push_back({std::to_string(partition.partition()), std::to_string(home.node_id()),
                      shown(home.keys()), shown(home.chunks())});
    }
  }
  if (!rows.empty()) {
    out += FormatTable({"PARTITION", "HOME", "SUM OF KEYS", "SUM OF CHUNKS"}, rows) + "\n";
  }
  const auto line = [&out](uint64_t count, const std::string& what) {
    out += count == 0 ? "" : std::to_string(count) + " " + what + "\n";
  };
  line(found.differ_in_keys, "partitions whose homes hold different keys");
  line(found.differ_in_chunks, "partitions whose homes hold different references to chunks");
  line(found.kept_for_others, "chunks and keys that nodes keep for others");
  for (const uint64_t node : found.homes.silent()) {
    out +=
        "node " + std::to_string(node) + " does not answer: nothing is proved of its partitions\n";
  }
  if (found.IsProved()) {
    out += "all homes of " + std::to_string(found.homes.compared()) +
           " partitions hold the same keys" +
           (found.differ_in_chunks == 0 ? " and chunks\n" : "\n");
  }
  return out;
}

void PrintConvergence(const AdminFlags& flags, const Convergence& found) {
  if (flags.json) {
    PrintJson(ConvergenceJson(found));
  } else {
    std::fputs(ConvergenceText(found).c_str(), stdout);
  }
}

// What a scrub found on one node, in the same order as its questions.
json ScrubJson(const NodeAnswer& files, const NodeAnswer& items) {
  json problems = json::array();
  if (!files.response.ok()) {
    problems.push_back({{"kind", "files"}, {"message", files.response.error().message()}});
  }
  if (!items.response.ok()) {
    problems.push_back({{"kind", "items"}, {"message", items.response.error().message()}});
    return {{"node_id", files.node}, {"problems", problems}};
  }
  const auto& check = items.response->check();
  for (const auto& problem : check.problems()) {
    problems.push_back({{"kind", problem.kind()}, {"message", problem.message()}});
  }
  return {{"node_id", files.node},
          {"problems", problems},
          {"items", check.items()},
          {"chunks", check.chunks()},
          {"chunk_bytes", check.chunk_bytes()},
          {"references", check.references()}};
}

}  // namespace

Result<int> HintsCommand(const AdminFlags& flags) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  ops::AdminRequest request;
  request.mutable_hints();
  KVFS_ASSIGN_OR_RETURN(const auto answers, AskEveryNode(asker.get(), request));
  json nodes = json::array();
  std::vector<std::vector<std::string>> rows;
  for (const NodeAnswer& answer : answers) {
    if (answer.node == 0) {
      KVFS_RETURN_IF_ERROR(answer.response.status());
    }
    nodes.push_back(HintsJson(answer));
    if (!answer.response.ok()) {
      rows.push_back({std::to_string(answer.node), "?", "?", answer.response.error().message()});
      continue;
    }
    const auto& hints = answer.response->hints();
    rows.push_back({std::to_string(answer.node), std::to_string(hints.chunks()),
                    std::to_string(hints.unmerged_keys()) + (hints.unmerged_is_more() ? "+" : ""),
                    BehindText(hints)});
  }
  if (flags.json) {
    PrintJson({{"nodes", nodes}});
  } else {
    std::fputs(
        FormatTable({"NODE", "CHUNKS TO HAND OVER", "UNMERGED KEYS", "KEYS MISSED ELSEWHERE"}, rows)
            .c_str(),
        stdout);
  }
  return kExitOk;
}

Result<int> VerifyCommand(const AdminFlags& flags, bool strict) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  KVFS_ASSIGN_OR_RETURN(const Convergence found, Look(asker.get()));
  PrintConvergence(flags, found);
  const bool proved = found.IsProved() && (!strict || found.differ_in_chunks == 0);
  return proved ? kExitOk : kExitProblems;
}

Result<int> WaitConvergedCommand(const AdminFlags& flags, double timeout_seconds) {
  constexpr auto kPause = std::chrono::milliseconds(500);
  if (!(timeout_seconds >= 0 && timeout_seconds <= 86'400)) {
    return Status::InvalidArgument("--timeout is 0 to 86,400 seconds");
  }
  const auto deadline =
      steady_clock::now() + std::chrono::microseconds(static_cast<int64_t>(timeout_seconds * 1e6));
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const Convergence found, Look(asker.get()));
    const bool done = found.IsProved() && found.kept_for_others == 0;
    if (done || steady_clock::now() + kPause > deadline) {
      PrintConvergence(flags, found);
      return done ? kExitOk : kExitProblems;
    }
    std::this_thread::sleep_for(kPause);
  }
}

Result<int> ScrubCommand(const AdminFlags& flags) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  ops::AdminRequest request;
  request.mutable_verify();
  KVFS_ASSIGN_OR_RETURN(const auto files, AskEveryNode(asker.get(), request));
  request.mutable_check();
  KVFS_ASSIGN_OR_RETURN(const auto items, AskEveryNode(asker.get(), request));
  json nodes = json::array();
  size_t problems = 0;
  for (size_t i = 0; i < files.size() && i < items.size(); ++i) {
    nodes.push_back(ScrubJson(files[i], items[i]));
    const json& node = nodes.back();
    problems += node["problems"].size();
    if (flags.json) {
      continue;
    }
    for (const json& problem : node["problems"]) {
      std::printf("%s: %s: %s\n", NodeName(files[i].node).c_str(),
                  problem["kind"].get<std::string>().c_str(),
                  problem["message"].get<std::string>().c_str());
    }
    if (node.contains("items")) {
      std::printf("%s: %lu items, %lu chunks, %lu references read and checked\n",
                  NodeName(files[i].node).c_str(), node["items"].get<uint64_t>(),
                  node["chunks"].get<uint64_t>(), node["references"].get<uint64_t>());
    }
  }
  if (flags.json) {
    PrintJson({{"nodes", nodes}});
  }
  return problems == 0 ? kExitOk : kExitProblems;
}

Result<int> ConfigCommand(const AdminFlags& flags, const std::string& name) {
  ops::AdminRequest request;
  request.mutable_config();
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  json options = json::object();
  Facts facts;
  for (const auto& option : response.config().options()) {
    if (name.empty() || option.name() == name) {
      options[option.name()] = option.value();
      facts.Add(option.name(), option.value().empty() ? "-" : option.value());
    }
  }
  if (options.empty()) {
    return Status::NotFound("there is no option '" + name + "'; `config list` names them");
  }
  if (flags.json) {
    PrintJson(options);
  } else if (!name.empty()) {
    std::printf("%s\n", options[name].get<std::string>().c_str());
  } else {
    std::fputs(facts.Text().c_str(), stdout);
  }
  return kExitOk;
}

Result<int> LogLevelCommand(const AdminFlags& flags, const std::string& level) {
  ops::AdminRequest request;
  request.mutable_log_level()->set_level(level);
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  if (flags.json) {
    PrintJson({{"level", response.log_level().level()}});
  } else {
    std::printf("%s\n", response.log_level().level().c_str());
  }
  return kExitOk;
}

Result<int> MetricsCommand(const AdminFlags& flags) {
  ops::AdminRequest request;
  request.mutable_metrics();
  KVFS_ASSIGN_OR_RETURN(const auto response, AskOnce(flags, request));
  if (!flags.json) {
    std::fputs(ops::PrometheusText(response.metrics()).c_str(), stdout);
    return kExitOk;
  }
  json metrics = json::array();
  for (const auto& metric : response.metrics().metrics()) {
    json samples = json::array();
    for (const auto& sample : metric.samples()) {
      json labels = json::object();
      for (const auto& label : sample.labels()) {
        labels[label.name()] = label.value();
      }
      json one = {{"labels", labels}};
      if (metric.kind() == admin::Metric::HISTOGRAM) {
        one["counts"] = std::vector<uint64_t>(sample.counts().begin(), sample.counts().end());
        one["sum_seconds"] = sample.sum_seconds();
      } else {
        one["value"] = sample.value();
      }
      samples.push_back(std::move(one));
    }
    metrics.push_back({{"name", metric.name()}, {"help", metric.help()}, {"samples", samples}});
  }
  PrintJson({{"metrics", metrics}});
  return kExitOk;
}

}  // namespace kvfs::tools
