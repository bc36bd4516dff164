// Clock: the only source of time above env. Thread-safe.
#pragma once

#include <cstdint>

namespace kvfs::env {

class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since the Unix epoch. May jump in either direction.
  virtual int64_t WallNanos() = 0;
  // Microseconds since some fixed moment. Never goes back; for time-outs and ages.
  virtual int64_t MonotonicMicros() = 0;
};

}  // namespace kvfs::env
