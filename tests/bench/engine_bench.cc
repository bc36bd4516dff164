// engine_bench [DIR]: the storage engine beside LevelDB and RocksDB: the same work, the same
// options (Snappy, 10 bits of Bloom filter, 32 MiB buffer, the same cache), in one run. Each
// figure is measured in a process and a directory of its own. See doc/engine.md.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/bench/engine_rows.h"
#include "tests/bench/memory_limit.h"

namespace kvfs::bench {
namespace {

// In a child of its own, so that memory and bytes written are this measurement's alone.
Figures Measure(const Row& row, const Job& job, const MemoryLimit* limit) {
  std::filesystem::remove_all(job.directory);
  int ends[2];
  if (pipe(ends) != 0) Fail("no pipe");
  const pid_t child = fork();
  if (child < 0) Fail("no process");
  if (child == 0) {
    close(ends[0]);
    if (limit != nullptr && !limit->Join()) Fail("cannot join the control group");
    Figures figures = row.run(job);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    figures["peak MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
    const std::string text = nlohmann::json(figures).dump();
    const bool sent = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t size = read(ends[0], text.data(), text.size());
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  std::filesystem::remove_all(job.directory);
  if (status != 0 || size <= 0) Fail(row.name + " of " + job.kind->name + " failed");
  return nlohmann::json::parse(text.substr(0, static_cast<size_t>(size))).get<Figures>();
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f" : "%.0f", value);
  return text;
}

int Main(int argc, char** argv) {
  CLI::App app("The storage engine of kvfs beside LevelDB and RocksDB.");
  std::string directory = "/var/tmp/kvfs-engine-bench";
  std::vector<std::string> only, engines;
  double scale = 1;
  int runs = 1;
  bool json = false;
  uint64_t cache_mib = 64;
  uint64_t memory_mib = 0;
  app.add_option("DIR", directory, "where to work; what is there is removed")
      ->capture_default_str();
  app.add_option("--rows", only, "only these rows (a,b)")->delimiter(',');
  app.add_option("--engines", engines, "only these engines (a,b)")->delimiter(',');
  app.add_option("--scale", scale, "share of the work")->check(CLI::Range(0.001, 100.0));
  app.add_option("--runs", runs, "measurements of each, in turn; medians are shown")
      ->check(CLI::Range(1, 99));
  app.add_option("--cache", cache_mib, "block cache of each engine, in MiB")
      ->check(CLI::Range(1, 65536));
  app.add_option(
         "--memory-limit", memory_mib,
         "what an engine and the page cache of its files may take, in MiB; 0 = all there is")
      ->check(CLI::Range(0, 1 << 20));
  app.add_flag("--json", json, "for programs");
  CLI11_PARSE(app, argc, argv);

  const auto wanted = [](const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  std::unique_ptr<MemoryLimit> limit;
  if (memory_mib != 0) {
    std::string why;
    limit = MemoryLimit::Make(memory_mib << 20, &why);
    if (limit == nullptr) Fail("no control group for --memory-limit: " + why);
  }
  const EngineSettings settings{.cache_bytes = cache_mib << 20};
  const std::vector<EngineKind> kinds = EngineKinds();
  nlohmann::json report = nlohmann::json::array();
  if (!json) std::printf("%-11s %-14s %10s %-10s %6s  %s\n", "row", "engine", "", "", "ratio", "");
  for (const Row& row : EngineRows()) {
    if (!wanted(only, row.name)) continue;
    std::map<std::string, std::map<std::string, std::vector<double>>> all;  // engine, figure
    for (int run = 0; run < runs; ++run) {
      for (const EngineKind& kind : kinds) {
        if (!wanted(engines, kind.name) ||
            std::find(row.parts.begin(), row.parts.end(), kind.part) == row.parts.end()) {
          continue;
        }
        const Job job{&kind, directory, scale, settings};
        for (const auto& [name, value] : Measure(row, job, limit.get())) {
          all[kind.name][name].push_back(value);
        }
      }
    }
    const auto median = [&](const std::string& engine, const std::string& figure) {
      return Percentile(&all[engine][figure], 0.5);
    };
    for (const EngineKind& kind : kinds) {
      if (!all.contains(kind.name)) continue;
      const double value = median(kind.name, row.figure);
      // kvfs against this engine; above 1, kvfs is ahead.
      double ratio = all.contains("kvfs") ? median("kvfs", row.figure) / value : 0;
      if (row.less_is_better && ratio > 0) ratio = 1 / ratio;
      nlohmann::json line = {{"row", row.name}, {"engine", kind.name}, {"ratio", ratio}};
      std::string rest;
      for (const auto& [figure, values] : all[kind.name]) {
        line[figure] = median(kind.name, figure);
        if (figure != row.figure) rest += figure + " " + Number(line[figure]) + "  ";
      }
      report.push_back(line);
      if (!json) {
        std::printf("%-11s %-14s %10s %-10s %6.2f  %s\n", row.name.c_str(), kind.name.c_str(),
                    Number(value).c_str(), row.figure.c_str(), ratio, rest.c_str());
        std::fflush(stdout);
      }
    }
  }
  if (json) std::printf("%s\n", report.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace kvfs::bench

int main(int argc, char** argv) { return kvfs::bench::Main(argc, argv); }
