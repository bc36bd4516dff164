// LatencyMeter: how often something was done, how long that took, and how often it failed.
// Latencies are counted in buckets whose bounds are powers of two microseconds. Lock-free and
// thread-safe; what is read while others note may lack the newest.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvfs {

// What a meter had counted at some moment. A value.
struct Latencies {
  // The last one holds everything that took longer than the bound of the last but one: 2^25 us = 33
  // s.
  static constexpr size_t kBuckets = 27;
  // What is in a bucket took at most so many microseconds.
  static constexpr uint64_t BoundMicros(size_t bucket) { return uint64_t{1} << bucket; }

  std::array<uint64_t, kBuckets> counts{};
  uint64_t sum_micros = 0;
  uint64_t failures = 0;

  uint64_t Count() const {
    uint64_t sum = 0;
    for (const uint64_t count : counts) {
      sum += count;
    }
    return sum;
  }
};

class LatencyMeter {
 public:
  void Note(int64_t micros, bool failed = false) {
    const uint64_t took = micros > 0 ? static_cast<uint64_t>(micros) : 0;
    // The smallest bucket whose bound is not below it.
    const size_t bucket = took <= 1 ? 0 : static_cast<size_t>(std::bit_width(took - 1));
    counts_[bucket < Latencies::kBuckets ? bucket : Latencies::kBuckets - 1].fetch_add(
        1, std::memory_order_relaxed);
    sum_micros_.fetch_add(took, std::memory_order_relaxed);
    failures_.fetch_add(failed ? 1 : 0, std::memory_order_relaxed);
  }

  Latencies Get() const {
    Latencies latencies;
    for (size_t i = 0; i < Latencies::kBuckets; ++i) {
      latencies.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    latencies.sum_micros = sum_micros_.load(std::memory_order_relaxed);
    latencies.failures = failures_.load(std::memory_order_relaxed);
    return latencies;
  }

 private:
  std::array<std::atomic<uint64_t>, Latencies::kBuckets> counts_{};
  std::atomic<uint64_t> sum_micros_{0};
  std::atomic<uint64_t> failures_{0};
};

}  // namespace kvfs
