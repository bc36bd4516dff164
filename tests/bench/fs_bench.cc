// fs_bench DIR: a benchmark of any directory, by the work people give a file
// system. Prints a table of medians, or JSON. See doc/testing.md.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/bench/posix_util.h"
#include "tests/bench/workload.h"

namespace kvfs::bench {
namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// 12345.6 -> "12,346"; small figures keep three digits.
std::string Format(double value) {
  char buffer[64];
  if (value < 10) {
    snprintf(buffer, sizeof buffer, "%.2f", value);
    return buffer;
  }
  if (value < 1000) {
    snprintf(buffer, sizeof buffer, value < 100 ? "%.1f" : "%.0f", value);
    return buffer;
  }
  std::string digits = std::to_string(std::llround(value));
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

// The sum of VmHWM, in MiB, over the pids that the command prints.
double PeakMemory(const std::string& command) {
  double mib = 0;
  std::istringstream pids(CaptureShell(command));
  std::string word;
  while (pids >> word) {
    std::ifstream status("/proc/" + word + "/status");
    std::string line;
    while (std::getline(status, line)) {
      if (line.starts_with("VmHWM:")) mib += std::stod(line.substr(6)) / 1024;
    }
  }
  return mib;
}

double RunRow(const Row& row, Workload& workload) {
  if (row.prepare) row.prepare(workload);
  if (row.cold) workload.GoCold();
  const double start = Now();
  const double amount = row.run(workload);
  const double seconds = Now() - start;
  if (row.self_timed) return amount;
  return row.unit == "s" ? seconds : amount / seconds;
}

// Removes itself on every way out; the data of a pass is removed with it.
class Scratch {
 public:
  explicit Scratch(const std::string& base) : path_(base + "/fs_bench.scratch.XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ThrowErrno("mkdtemp " + path_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Pass {
 public:
  Pass(const Options& options, int number) : workload_(options, number) {}
  ~Pass() {
    std::error_code ignored;
    std::filesystem::remove_all(workload_.root(), ignored);
  }
  Workload& workload() { return workload_; }

 private:
  Workload workload_;
};

int Main(int argc, char** argv) {
  CLI::App app("Benchmark of any directory: small files, streams, and the programs people run.");
  Options options;
  std::string scratch_base = "/tmp";
  std::string label;
  std::vector<std::string> only;
  std::string pids;
  int runs = 1;
  bool json = false;
  bool list = false;
  app.add_option("DIR", options.directory, "The directory to measure in; left as it was");
  app.add_option("--rows", only, "Only these rows (see --list)")->delimiter(',');
  app.add_option("--scale", options.scale, "Multiplies counts and sizes")
      ->check(CLI::Range(0.001, 100.0))
      ->capture_default_str();
  app.add_option("--runs", runs, "Passes; the figure is the median")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_flag("--json", json, "One JSON object instead of the table");
  app.add_flag("--list", list, "List the rows and exit");
  app.add_option("--label", label, "Heading of the column; default DIR");
  app.add_option("--before-cold", options.before_cold,
                 "Command run before each cold row; default: sync and drop the kernel's caches");
  app.add_option("--pids", pids, "Command that prints the pids whose peak memory is a row");
  app.add_option("--scratch", scratch_base, "Where sources are kept, not the directory measured")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  std::vector<Row> rows = StreamRows();
  for (auto* more : {&SmallFileRows, &ProgramRows, &ParallelRows}) {
    for (Row& row : (*more)()) rows.push_back(std::move(row));
  }
  if (list) {
    for (const Row& row : rows)
      printf("%-18s %s, %s\n", row.key.c_str(), row.label.c_str(), row.unit.c_str());
    return 0;
  }
  if (options.directory.empty()) {
    fprintf(stderr, "fs_bench: DIR is required\n");
    return 2;
  }
  options.directory = std::filesystem::absolute(options.directory).lexically_normal();
  if (label.empty()) label = options.directory;
  std::set<std::string> known;
  for (const Row& row : rows) known.insert(row.key);
  for (const std::string& key : only) {
    if (!known.contains(key)) {
      fprintf(stderr, "fs_bench: no row %s; --list shows them\n", key.c_str());
      return 2;
    }
  }
  if (!only.empty()) {
    std::erase_if(rows, [&](const Row& row) {
      return std::find(only.begin(), only.end(), row.key) == only.end();
    });
  }

  const Scratch scratch(scratch_base);
  options.scratch = scratch.path();
  std::map<std::string, std::vector<double>> figures;
  double peak = 0;
  for (int number = 0; number < runs; ++number) {
    Pass pass(options, number);
    for (const Row& row : rows) {
      fprintf(stderr, "%s: %s ...\n", label.c_str(), row.key.c_str());
      figures[row.key].push_back(RunRow(row, pass.workload()));
      if (!pids.empty()) peak = std::max(peak, PeakMemory(pids));
    }
  }

  if (json) {
    nlohmann::json out{{"label", label}, {"scale", options.scale}, {"runs", runs}};
    for (const Row& row : rows) {
      out["rows"][row.key] = {{"label", row.label},
                              {"unit", row.unit},
                              {"median", Median(figures[row.key])},
                              {"values", figures[row.key]}};
    }
    if (!pids.empty()) out["peak_memory_mib"] = peak;
    printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  printf("| workload | %s |\n|---|---|\n", label.c_str());
  for (const Row& row : rows) {
    printf("| %s, %s | %s |\n", row.label.c_str(), row.unit.c_str(),
           Format(Median(figures[row.key])).c_str());
  }
  if (!pids.empty()) printf("| memory, peak, MiB | %s |\n", Format(peak).c_str());
  if (options.scale != 1.0) printf("\nscaled by %g\n", options.scale);
  return 0;
}

}  // namespace
}  // namespace kvfs::bench

int main(int argc, char** argv) {
  try {
    return kvfs::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "fs_bench: %s\n", error.what());
    return 1;
  }
}
