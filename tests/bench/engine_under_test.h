// EngineUnderTest: what engine_bench asks of a storage engine, kvfs's own and its peers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvfs::bench {

class EngineUnderTest {
 public:
  virtual ~EngineUnderTest() = default;

  // All of them end the process with a message when the engine fails.
  virtual void Put(std::string_view key, std::string_view value, bool sync) = 0;
  virtual void Delete(std::string_view key) = 0;
  virtual bool Get(std::string_view key, std::string* value) = 0;
  // Up to `limit` entries from `key` on ("" = from the first); the number of bytes seen.
  virtual size_t Scan(std::string_view key, size_t limit) = 0;
  // Until nothing is left to do.
  virtual void Settle() = 0;
  // Everything written so far is on the disk.
  virtual void Flush() = 0;
};

struct EngineKind {
  std::string name;
  bool for_large_values_only = false;
  std::function<std::unique_ptr<EngineUnderTest>(const std::string& directory)> open;
};

// Those that were found when this was built; kvfs is the first.
std::vector<EngineKind> EngineKinds();

[[noreturn]] void Fail(const std::string& what);

}  // namespace kvfs::bench
