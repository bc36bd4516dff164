// What engine_bench measures: each row is one piece of work that every engine does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/engine_under_test.h"

namespace kvfs::bench {

using Figures = std::map<std::string, double>;

// What one measurement works with.
struct Job {
  const EngineKind* kind = nullptr;
  std::string directory;
  double scale = 1;
  EngineSettings settings;

  uint64_t Scaled(uint64_t count) const {
    return std::max<uint64_t>(100, static_cast<uint64_t>(static_cast<double>(count) * scale));
  }
  std::unique_ptr<EngineUnderTest> Open() const { return kind->open(directory, settings); }
};

struct Row {
  std::string name;
  std::vector<EngineKind::Part> parts;  // who takes part
  std::string figure;                   // the one that is compared
  bool less_is_better = false;
  std::function<Figures(const Job&)> run;
};

std::vector<Row> EngineRows();

// The value below which `share` of them lie; reorders them.
double Percentile(std::vector<double>* values, double share);

}  // namespace kvfs::bench
