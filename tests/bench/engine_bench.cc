// engine_bench [DIR]: the storage engine beside LevelDB and RocksDB: the same work, the same
// options (Snappy, 10 bits of Bloom filter, 32 MiB buffer, 64 MiB cache), in one run. Each
// figure is measured in a process and a directory of its own. See doc/engine.md.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/bench/engine_under_test.h"

namespace kvfs::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Figures = std::map<std::string, double>;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string Key(uint64_t number) {
  char key[17];
  std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(number));
  return key;
}

// Half of it random, half of it repeated: Snappy takes it to about a half.
std::string Value(size_t size, std::mt19937_64* random) {
  std::string value(size, 'x');
  for (size_t at = 0; at < size; at += 64) {
    for (size_t i = at; i + 8 <= std::min(size, at + 32); i += 8) {
      const uint64_t word = (*random)();
      std::memcpy(&value[i], &word, sizeof word);
    }
  }
  return value;
}

double BytesToDisk() {
  std::ifstream in("/proc/self/io");
  std::string key;
  for (double value = 0; in >> key >> value;) {
    if (key == "write_bytes:") return value;
  }
  return 0;
}

double DiskUse(const std::string& directory) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

double Percentile(std::vector<double>* values, double share) {
  if (values->empty()) return 0;
  const auto at =
      values->begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values->size() - 1));
  std::nth_element(values->begin(), at, values->end());
  return *at;
}

// What one measurement works with.
struct Job {
  const EngineKind* kind = nullptr;
  std::string directory;
  double scale = 1;

  uint64_t Scaled(uint64_t count) const {
    return std::max<uint64_t>(100, static_cast<uint64_t>(static_cast<double>(count) * scale));
  }
  std::unique_ptr<EngineUnderTest> Open() const { return kind->open(directory); }
};

constexpr uint64_t kSmall = 1'000'000;
constexpr uint64_t kLarge = 20'000;
constexpr size_t kLargeBytes = 128u << 10;

void FillSmall(const Job& job, EngineUnderTest* engine, bool in_order) {
  std::mt19937_64 random(1);
  const uint64_t count = job.Scaled(kSmall);
  const std::string values = Value(1 << 20, &random);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t at = random() % (values.size() - 100);
    engine->Put(Key(in_order ? i : random() % count), std::string_view(values).substr(at, 100),
                false);
  }
}

Figures Fill(const Job& job, bool in_order) {
  const auto engine = job.Open();
  const auto begin = Clock::now();
  FillSmall(job, engine.get(), in_order);
  return {{"ops/s", static_cast<double>(job.Scaled(kSmall)) / SecondsSince(begin)}};
}

std::unique_ptr<EngineUnderTest> Filled(const Job& job) {
  auto engine = job.Open();
  FillSmall(job, engine.get(), false);
  engine->Settle();
  return engine;
}

Figures ReadRandom(const Job& job) {
  const auto engine = Filled(job);
  std::mt19937_64 random(2);
  const uint64_t keys = job.Scaled(kSmall);
  const uint64_t count = job.Scaled(500'000);
  std::string value;
  const auto begin = Clock::now();
  for (uint64_t i = 0; i < count; ++i) {
    (void)engine->Get(Key(random() % keys), &value);
  }
  return {{"ops/s", static_cast<double>(count) / SecondsSince(begin)}};
}

Figures Seek(const Job& job) {
  const auto engine = Filled(job);
  std::mt19937_64 random(3);
  const uint64_t keys = job.Scaled(kSmall);
  const uint64_t count = job.Scaled(50'000);
  const auto begin = Clock::now();
  for (uint64_t i = 0; i < count; ++i) {
    (void)engine->Scan(Key(random() % keys), 100);
  }
  return {{"ops/s", static_cast<double>(count) / SecondsSince(begin)}};
}

Figures ReadSeq(const Job& job) {
  const auto engine = Filled(job);
  (void)engine->Scan("", SIZE_MAX);
  constexpr int kRounds = 3;
  const auto begin = Clock::now();
  double bytes = 0;
  for (int i = 0; i < kRounds; ++i) {
    bytes += static_cast<double>(engine->Scan("", SIZE_MAX));
  }
  return {{"ops/s", bytes / 116 / SecondsSince(begin)}};
}

std::vector<uint64_t> LargeKeys(const Job& job) {
  std::vector<uint64_t> keys(job.Scaled(kLarge));
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = i;
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(4));
  return keys;
}

void FillLarge(const std::vector<uint64_t>& keys, EngineUnderTest* engine) {
  std::mt19937_64 random(5);
  const std::string values = Value(8u << 20, &random);
  for (const uint64_t key : keys) {
    const size_t at = random() % (values.size() - kLargeBytes);
    engine->Put(Key(key), std::string_view(values).substr(at, kLargeBytes), false);
  }
}

Figures LargeFill(const Job& job) {
  const auto keys = LargeKeys(job);
  const double user_bytes = static_cast<double>(keys.size()) * kLargeBytes;
  const auto begin = Clock::now();
  {
    const auto engine = job.Open();
    FillLarge(keys, engine.get());
    engine->Flush();
  }
  return {{"MB/s", user_bytes / 1e6 / SecondsSince(begin)},
          {"written/user", BytesToDisk() / user_bytes}};
}

Figures LargeRead(const Job& job) {
  const auto keys = LargeKeys(job);
  const auto engine = job.Open();
  FillLarge(keys, engine.get());
  engine->Settle();
  std::mt19937_64 random(6);
  const uint64_t count = job.Scaled(kLarge);
  std::string value;
  const auto begin = Clock::now();
  for (uint64_t i = 0; i < count; ++i) {
    if (!engine->Get(Key(keys[random() % keys.size()]), &value)) Fail("a value is gone");
  }
  return {{"ops/s", static_cast<double>(count) / SecondsSince(begin)}};
}

Figures DeleteHalf(const Job& job) {
  auto keys = LargeKeys(job);
  {
    const auto engine = job.Open();
    FillLarge(keys, engine.get());
    for (size_t i = 0; i < keys.size() / 2; ++i) {
      engine->Delete(Key(keys[i]));
    }
    engine->Settle();
  }
  const double full = DiskUse(job.directory);
  keys.erase(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(keys.size() / 2));
  // What the other half takes when it is written alone.
  std::filesystem::remove_all(job.directory);
  {
    const auto engine = job.Open();
    FillLarge(keys, engine.get());
    engine->Settle();
  }
  return {{"disk/live", full / DiskUse(job.directory)}};
}

Figures Synced(const Job& job, int threads) {
  const auto engine = job.Open();
  std::mt19937_64 random(7);
  const std::string value = Value(1024, &random);
  const uint64_t each = job.Scaled(40'000) / static_cast<uint64_t>(threads);
  const auto begin = Clock::now();
  std::vector<std::thread> writers;
  for (int writer = 0; writer < threads; ++writer) {
    writers.emplace_back([&, writer] {
      for (uint64_t i = 0; i < each; ++i) {
        engine->Put(Key(i * 100 + static_cast<uint64_t>(writer)), value, true);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  return {
      {"ops/s", static_cast<double>(each * static_cast<uint64_t>(threads)) / SecondsSince(begin)}};
}

// One thread puts 128 KiB values at 100 MB/s, another 1 KiB values, each synced.
Figures Mixed(const Job& job) {
  const auto engine = job.Open();
  std::mt19937_64 random(8);
  const std::string values = Value(8u << 20, &random);
  const double seconds = std::max(2.0, 20 * job.scale);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> large{0};
  const auto begin = Clock::now();
  std::thread stream([&] {
    std::mt19937_64 own(9);
    for (uint64_t i = 0; !stop; ++i) {
      const size_t at = own() % (values.size() - kLargeBytes);
      engine->Put("large" + Key(own()), std::string_view(values).substr(at, kLargeBytes), false);
      large = i + 1;
      const double due = static_cast<double>((i + 1) * kLargeBytes) / 100e6;
      if (const double ahead = due - SecondsSince(begin); ahead > 0) {
        std::this_thread::sleep_for(std::chrono::duration<double>(ahead));
      }
    }
  });
  std::vector<double> micros;
  while (SecondsSince(begin) < seconds) {
    const auto started = Clock::now();
    engine->Put("small" + Key(micros.size()), std::string_view(values).substr(0, 1024), true);
    micros.push_back(SecondsSince(started) * 1e6);
  }
  const double took = SecondsSince(begin);
  stop = true;
  stream.join();
  return {{"ops/s", static_cast<double>(micros.size()) / took},
          {"p99 us", Percentile(&micros, 0.99)},
          {"large MB/s", static_cast<double>(large * kLargeBytes) / 1e6 / took}};
}

struct Row {
  std::string name;
  bool large = false;  // RocksDB with blob files takes part
  std::string figure;  // the one that is compared
  bool less_is_better = false;
  std::function<Figures(const Job&)> run;
};

std::vector<Row> Rows() {
  return {
      {"fillseq", false, "ops/s", false, [](const Job& job) { return Fill(job, true); }},
      {"fillrandom", false, "ops/s", false, [](const Job& job) { return Fill(job, false); }},
      {"readrandom", false, "ops/s", false, ReadRandom},
      {"seek100", false, "ops/s", false, Seek},
      {"readseq", false, "ops/s", false, ReadSeq},
      {"largefill", true, "MB/s", false, LargeFill},
      {"largeread", true, "ops/s", false, LargeRead},
      {"sync1", false, "ops/s", false, [](const Job& job) { return Synced(job, 1); }},
      {"sync8", false, "ops/s", false, [](const Job& job) { return Synced(job, 8); }},
      {"mixed", true, "ops/s", false, Mixed},
      {"deletehalf", true, "disk/live", true, DeleteHalf},
  };
}

// In a child of its own, so that memory and bytes written are this measurement's alone.
Figures Measure(const Row& row, const Job& job) {
  std::filesystem::remove_all(job.directory);
  int ends[2];
  if (pipe(ends) != 0) Fail("no pipe");
  const pid_t child = fork();
  if (child < 0) Fail("no process");
  if (child == 0) {
    close(ends[0]);
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
  app.add_option("DIR", directory, "where to work; what is there is removed")
      ->capture_default_str();
  app.add_option("--rows", only, "only these rows (a,b)")->delimiter(',');
  app.add_option("--engines", engines, "only these engines (a,b)")->delimiter(',');
  app.add_option("--scale", scale, "share of the work")->check(CLI::Range(0.001, 100.0));
  app.add_option("--runs", runs, "measurements of each, in turn; medians are shown")
      ->check(CLI::Range(1, 99));
  app.add_flag("--json", json, "for programs");
  CLI11_PARSE(app, argc, argv);

  const auto wanted = [](const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  const std::vector<EngineKind> kinds = EngineKinds();
  nlohmann::json report = nlohmann::json::array();
  if (!json) std::printf("%-11s %-14s %10s %-10s %6s  %s\n", "row", "engine", "", "", "ratio", "");
  for (const Row& row : Rows()) {
    if (!wanted(only, row.name)) continue;
    std::map<std::string, std::map<std::string, std::vector<double>>> all;  // engine, figure
    for (int run = 0; run < runs; ++run) {
      for (const EngineKind& kind : kinds) {
        if (!wanted(engines, kind.name) || (kind.for_large_values_only && !row.large)) continue;
        for (const auto& [name, value] : Measure(row, {&kind, directory, scale})) {
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
