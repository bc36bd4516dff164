// History: what clients asked of registers and were told, and whether one order of it all
// explains the answers: linearizability, by the search of Wing and Gong with the memory of
// Lowe ("Testing for linearizability", 2017). Values; pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvfs::sim {

struct Operation {
  enum class Kind : uint8_t {
    kRead,
    kWrite,
    kSwap,  // writes `value` where the register holds `expected`
  };
  enum class Result : uint8_t { kOk, kConflict, kUnknown };

  std::string key;
  Kind kind = Kind::kRead;
  std::string value;     // written, or read ("" = nothing there)
  std::string expected;  // of a swap
  Result result = Result::kUnknown;
  int64_t begin = 0;
  int64_t end = INT64_MAX;  // an operation of unknown result may happen at any time later
  int client = 0;

  std::string ToString() const;
};

class History {
 public:
  // In any order. A read of unknown result says nothing and need not be added.
  void Add(Operation operation) { operations_[operation.key].push_back(std::move(operation)); }
  size_t size() const;

  // The register whose operations no order explains, with them; nothing if there is none. Also
  // one for which no order was found in a million situations.
  // Registers hold "" at first.
  std::optional<std::string> FindViolation() const;

 private:
  std::map<std::string, std::vector<Operation>> operations_;
};

}  // namespace kvfs::sim
