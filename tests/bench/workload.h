// The workload of the benchmark: what the rows share (directories, sizes, the
// state of the fixtures) and the list of rows. One Workload is one pass over one
// directory; it makes the fixtures a row needs outside the row's time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvfs::bench {

struct Options {
  std::string directory;
  std::string scratch;
  double scale = 1.0;
  // Run before every cold row; empty: sync and drop the kernel's caches.
  std::string before_cold;
};

struct MixedFigures {
  double operations_per_second = 0;
  // Of each kind of operation, milliseconds.
  std::map<std::string, double> p99_ms;
  double longest_ms = 0;
};

class Workload {
 public:
  Workload(const Options& options, int pass);

  // DIR/fs_bench.<pid>.<pass>/<name>
  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  const std::string& root() const { return root_; }
  // A count or size scaled by --scale, at least `least`.
  uint64_t Scaled(uint64_t full, uint64_t least = 1) const;
  void GoCold() const;

  uint64_t small_files() const { return Scaled(5000, 20); }
  std::string SmallFile(uint64_t i) const { return Path("small/" + std::to_string(i)); }

  // Fixtures: make it if it is not there yet.
  void NeedSmallFiles();
  void NeedBigFile();
  void NeedTree();
  // Outside the directory under test.
  const std::string& NeedArchive();
  const std::string& NeedRepository();
  void NeedClone();
  // The load of several threads, run once per pass; several rows read its figures.
  const MixedFigures& NeedMixed();

  // Rows that make or take away a fixture keep these true.
  bool have_small = false;
  bool have_big = false;
  bool have_tree = false;
  bool have_clone = false;

 private:
  const Options options_;
  const std::string root_;
  std::string archive_;
  std::string repository_;
  std::optional<MixedFigures> mixed_;
};

struct Row {
  std::string key;
  std::string label;
  std::string unit;
  bool cold;
  std::function<void(Workload&)> prepare;
  // Returns the figure: operations or MiB done (divided by the time taken), or,
  // where unit is "s", anything (the time itself is the figure). Less is better of "s" and "ms".
  std::function<double(Workload&)> run;
  // A row that measures itself returns the figure from run.
  bool self_timed = false;
};

std::vector<Row> SmallFileRows();
std::vector<Row> StreamRows();
std::vector<Row> ProgramRows();
std::vector<Row> ParallelRows();

}  // namespace kvfs::bench
