// What the disk takes, without an engine.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "tests/bench/engine_under_test.h"

namespace kvfs::bench {
namespace {

constexpr uint64_t kLogBytes = 64u << 20;
constexpr size_t kLarge = 64u << 10;

class RawEngine final : public EngineUnderTest {
 public:
  explicit RawEngine(const std::string& directory) {
    if (mkdir(directory.c_str(), 0700) != 0) Fail("cannot make " + directory);
    log_ = Open(directory + "/log");
    large_ = Open(directory + "/large");
    const std::string zeros(1u << 20, '\0');
    for (uint64_t at = 0; at < kLogBytes; at += zeros.size()) Write(log_, zeros, at);
    Sync(log_);
  }
  ~RawEngine() override {
    close(log_);
    close(large_);
  }

  void Put(std::string_view key, std::string_view value, bool sync) override {
    if (value.size() >= kLarge) {
      Write(large_, value, large_end_.fetch_add(value.size()));
    } else {
      const std::string record = std::string(key) + std::string(value);
      const uint64_t at = log_end_.fetch_add(record.size()) % (kLogBytes - kLarge - 4096);
      Write(log_, record, at);
    }
    if (sync) Sync(log_);
  }
  void Delete(std::string_view) override { Fail("raw files only take writes"); }
  bool Get(std::string_view, std::string*) override { Fail("raw files only take writes"); }
  size_t Scan(std::string_view, size_t) override { Fail("raw files only take writes"); }
  void Settle() override {}
  void Flush() override {
    Sync(large_);
    Sync(log_);
  }

 private:
  static int Open(const std::string& path) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) Fail("cannot open " + path);
    return file;
  }
  static void Write(int file, std::string_view data, uint64_t at) {
    if (pwrite(file, data.data(), data.size(), static_cast<off_t>(at)) !=
        static_cast<ssize_t>(data.size())) {
      Fail(std::string("write: ") + std::strerror(errno));
    }
  }
  static void Sync(int file) {
    if (fdatasync(file) != 0) Fail(std::string("fdatasync: ") + std::strerror(errno));
  }

  int log_ = -1;
  int large_ = -1;
  std::atomic<uint64_t> log_end_{0};
  std::atomic<uint64_t> large_end_{0};
};

}  // namespace

std::unique_ptr<EngineUnderTest> OpenRaw(const std::string& directory) {
  return std::make_unique<RawEngine>(directory);
}

}  // namespace kvfs::bench
