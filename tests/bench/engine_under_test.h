// EngineUnderTest: what engine_bench asks of a storage engine, kvfs's own and its peers.
#pragma once

#include <cstdint>
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

// The same for all.
struct EngineSettings {
  uint64_t cache_bytes = 64u << 20;
};

struct EngineKind {
  // kBlobEngine: takes part where values are large. kRaw: no engine but plain files, to tell what
  // the disk takes; it can only write.
  enum class Part : uint8_t { kEngine, kBlobEngine, kRaw };

  std::string name;
  Part part = Part::kEngine;
  std::function<std::unique_ptr<EngineUnderTest>(const std::string& directory,
                                                 const EngineSettings& settings)>
      open;
};

// Those that were found when this was built; kvfs is the first.
std::vector<EngineKind> EngineKinds();
// Small values go to a file that was written before, large ones to a file that grows; a sync is one
// fdatasync of the former.
std::unique_ptr<EngineUnderTest> OpenRaw(const std::string& directory);

[[noreturn]] void Fail(const std::string& what);

}  // namespace kvfs::bench
