// OperationMeters: what the kernel has asked of a mount: how often, how long each took from the
// request to the reply, what runs now, and what took long of late. It reads the headers of requests
// and replies as they pass, so nothing that serves them has to know of it.
//
// Owned by the FuseServer. Thread-safe.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "kvcore/base/latency.h"

namespace kvfs::fs {

class OperationMeters {
 public:
  struct Operation {
    uint32_t opcode = 0;
    uint64_t ino = 0;
    int64_t began_micros = 0;  // on the clock that callers bring along
    int64_t took_micros = 0;
    int error = 0;  // an errno
  };
  // Remembered of those that took long.
  static constexpr size_t kSlowKept = 256;
  static constexpr uint32_t kOpcodes = 64;

  // `slow_micros`: what takes at least that long is remembered.
  explicit OperationMeters(int64_t slow_micros) : slow_micros_(slow_micros) {}

  // A request as the kernel sent it, a reply as it is sent. What is too short to be one, or is
  // never answered, is overlooked.
  void Began(const char* request, size_t size, int64_t now_micros);
  void Replied(const iovec* reply, int pieces, int64_t now_micros);

  Latencies Of(uint32_t opcode) const { return meters_[opcode % kOpcodes].Get(); }
  std::vector<Operation> Running(int64_t now_micros) const;  // the longest first
  std::vector<Operation> Slow() const;                       // the latest first
  int64_t slow_micros() const { return slow_micros_; }

  // Null: no operation that is known here.
  static const char* NameOf(uint32_t opcode);

 private:
  struct Open {
    uint64_t unique = 0;
    Operation operation;
  };
  // Requests have running numbers; neighbours do not meet.
  struct Shard {
    mutable std::mutex mutex;  // guards open
    std::vector<Open> open;
  };
  Shard& ShardOf(uint64_t unique) { return shards_[(unique / 2) % shards_.size()]; }

  const int64_t slow_micros_;
  std::array<LatencyMeter, kOpcodes> meters_;
  std::array<Shard, 16> shards_;
  mutable std::mutex slow_mutex_;  // guards slow_
  std::deque<Operation> slow_;
};

}  // namespace kvfs::fs
