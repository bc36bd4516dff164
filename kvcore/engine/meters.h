// What the Db counts of its own work.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace kvfs::engine {

// How often something happened, and how much it came to in all. Thread-safe.
class Meter {
 public:
  void Note(uint64_t amount) {
    count_.fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(amount, std::memory_order_relaxed);
  }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> sum_{0};
};

// How fast something has been of late: a moving average. Its owner locks.
class RateMeter {
 public:
  void Note(uint64_t bytes, int64_t micros) {
    const double rate =
        static_cast<double>(bytes) * 1e6 / static_cast<double>(std::max<int64_t>(micros, 1));
    rate_ += (rate - rate_) * kWeight;
  }
  double BytesPerSecond() const { return rate_; }

 private:
  static constexpr double kWeight = 0.25;
  double rate_ = 64.0 * (1 << 20);  // until something is known
};

}  // namespace kvfs::engine
