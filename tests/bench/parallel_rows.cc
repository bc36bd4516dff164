// Rows with several threads at once.
#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <thread>

#include "tests/bench/posix_util.h"
#include "tests/bench/workload.h"

namespace kvfs::bench {
namespace {

constexpr uint64_t kThreads = 4;

// Each thread makes its files, looks at them, reads them and removes them again.
void WorkOn(const std::string& directory, uint64_t thread, uint64_t files) {
  const std::string data = MakeBytes(4096, 20 + thread, true);
  std::vector<char> buffer(65536);
  const auto path = [&](uint64_t i) {
    return directory + "/" + std::to_string(thread) + "." + std::to_string(i);
  };
  for (uint64_t i = 0; i < files; ++i) WriteFile(path(i), data);
  for (uint64_t i = 0; i < files; ++i) {
    struct stat st;
    Check(stat(path(i).c_str(), &st), "stat");
  }
  for (uint64_t i = 0; i < files; ++i) ReadWholeFile(path(i), &buffer);
  for (uint64_t i = 0; i < files; ++i) Check(unlink(path(i).c_str()), "unlink");
}

double Threads(Workload& w, const std::string& name, uint64_t directories) {
  const uint64_t files = w.Scaled(1500, 10);
  Check(mkdir(w.Path(name).c_str(), 0755), "mkdir " + name);
  for (uint64_t i = 0; i < directories; ++i) {
    Check(mkdir(w.Path(name + "/" + std::to_string(i)).c_str(), 0755), "mkdir");
  }
  std::vector<std::exception_ptr> failures(kThreads);
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      try {
        WorkOn(w.Path(name + "/" + std::to_string(i % directories)), i, files);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return static_cast<double>(4 * kThreads * files);
}

Row MixedP99(const std::string& kind) {
  return {"mixed_" + kind,
          "mixed load, p99 of " + kind,
          "ms",
          false,
          nullptr,
          [kind](Workload& w) { return w.NeedMixed().p99_ms.at(kind); },
          true};
}

}  // namespace

std::vector<Row> ParallelRows() {
  std::vector<Row> rows{
      {"threads_one", "4 threads on one directory", "ops/s", false, nullptr,
       [](Workload& w) { return Threads(w, "threads_one", 1); }},
      {"threads_four", "4 threads on four directories", "ops/s", false, nullptr,
       [](Workload& w) { return Threads(w, "threads_four", 4); }},
      {"mixed", "mixed load of 4 threads", "ops/s", false, nullptr,
       [](Workload& w) { return w.NeedMixed().operations_per_second; }, true},
  };
  for (const char* kind :
       {"create", "write", "close", "fsync", "read", "stat", "list", "rename", "unlink"}) {
    rows.push_back(MixedP99(kind));
  }
  rows.push_back({"mixed_longest", "mixed load, longest operation", "ms", false, nullptr,
                  [](Workload& w) { return w.NeedMixed().longest_ms; }, true});
  return rows;
}

}  // namespace kvfs::bench
