#include "tests/bench/mixed_load.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <random>
#include <thread>

#include "tests/bench/posix_util.h"

namespace kvfs::bench {
namespace {

constexpr int kThreads = 4;
constexpr uint64_t kFiles = 200;  // a thread has at most so many

class Worker {
 public:
  Worker(std::string directory, uint64_t seed) : directory_(std::move(directory)), random_(seed) {
    Check(mkdir(directory_.c_str(), 0755), "mkdir " + directory_);
    data_ = MakeBytes(64 << 10, seed, true);
  }

  void Run(double until) {
    while (Now() < until) Step();
  }

  const std::map<std::string, std::vector<double>>& seconds() const { return seconds_; }

 private:
  template <typename Call>
  void Timed(const char* kind, const Call& call) {
    const double start = Now();
    call();
    seconds_[kind].push_back(Now() - start);
  }

  std::string PathOf(uint64_t file) const { return directory_ + "/" + std::to_string(file); }

  void Step() {
    const uint64_t dice = random_() % 100;
    const uint64_t file = random_() % kFiles;
    if (!exists_[file]) {
      Make(file);
    } else if (dice < 35) {
      ReadOne(file);
    } else if (dice < 60) {
      Timed("stat", [&] {
        struct stat st;
        Check(stat(PathOf(file).c_str(), &st), "stat");
      });
    } else if (dice < 75) {
      Overwrite(file);
    } else if (dice < 80) {
      const std::string other = directory_ + "/renamed";
      Timed("rename", [&] { Check(rename(PathOf(file).c_str(), other.c_str()), "rename"); });
      Timed("rename", [&] { Check(rename(other.c_str(), PathOf(file).c_str()), "rename back"); });
    } else if (dice < 82) {
      List();
    } else {
      Timed("unlink", [&] { Check(unlink(PathOf(file).c_str()), "unlink"); });
      exists_[file] = false;
    }
  }

  void Make(uint64_t file) {
    const uint64_t size = 1 + random_() % data_.size();
    int fd = -1;
    Timed("create", [&] {
      fd = open(PathOf(file).c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
      Check(fd, "create " + PathOf(file));
    });
    Timed("write",
          [&] { Check(static_cast<int>(write(fd, data_.data(), size)), "write " + PathOf(file)); });
    Timed("close", [&] { Check(close(fd), "close"); });
    exists_[file] = true;
  }

  void ReadOne(uint64_t file) {
    Timed("read", [&] { ReadWholeFile(PathOf(file), &buffer_); });
  }

  // A part of the file anew; one in four wants it on the disk.
  void Overwrite(uint64_t file) {
    const uint64_t size = 1 + random_() % 8192;
    File out(PathOf(file), O_WRONLY);
    Timed("write",
          [&] { out.WriteAt(std::string_view(data_).substr(0, size), random_() % 16384); });
    if (random_() % 4 == 0) {
      Timed("fsync", [&] { out.Sync(); });
    }
    Timed("close", [&] { out.Close(); });
  }

  void List() {
    Timed("list", [&] {
      DIR* dir = opendir(directory_.c_str());
      if (dir == nullptr) ThrowErrno("opendir " + directory_);
      while (readdir(dir) != nullptr) {
      }
      closedir(dir);
    });
  }

  const std::string directory_;
  std::mt19937_64 random_;
  std::string data_;
  std::vector<char> buffer_ = std::vector<char>(128 << 10);
  bool exists_[kFiles] = {};
  std::map<std::string, std::vector<double>> seconds_;
};

}  // namespace

MixedFigures RunMixedLoad(const std::string& directory, double seconds) {
  std::vector<Worker> workers;
  for (uint64_t i = 0; i < kThreads; ++i) {
    workers.emplace_back(directory + "/" + std::to_string(i), i + 1);
  }
  std::vector<std::exception_ptr> failures(workers.size());
  std::vector<std::thread> threads;
  const double until = Now() + seconds;
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        workers[i].Run(until);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }

  MixedFigures figures;
  std::map<std::string, std::vector<double>> all;
  size_t count = 0;
  for (const Worker& worker : workers) {
    for (const auto& [kind, times] : worker.seconds()) {
      all[kind].insert(all[kind].end(), times.begin(), times.end());
    }
  }
  for (auto& [kind, times] : all) {
    std::sort(times.begin(), times.end());
    figures.p99_ms[kind] = times[times.size() * 99 / 100] * 1e3;
    figures.longest_ms = std::max(figures.longest_ms, times.back() * 1e3);
    count += times.size();
  }
  figures.operations_per_second = static_cast<double>(count) / seconds;
  return figures;
}

}  // namespace kvfs::bench
