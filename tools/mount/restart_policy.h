// RestartPolicy: when a crashed daemon is started again. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace kvfs::tools {

class RestartPolicy {
 public:
  static constexpr int kMaxCrashes = 5;  // within kWindowMillis
  static constexpr int64_t kWindowMillis = 60'000;
  static constexpr int64_t kFirstDelayMillis = 100;

  // A crash at `now_millis` (never going back): how long to wait before the next start, each time
  // twice as long; nothing if it has crashed too often lately.
  std::optional<int64_t> OnCrash(int64_t now_millis) {
    while (!crashes_.empty() && now_millis - crashes_.front() >= kWindowMillis) {
      crashes_.pop_front();
    }
    crashes_.push_back(now_millis);
    if (crashes_.size() > kMaxCrashes) {
      return std::nullopt;
    }
    return kFirstDelayMillis << (crashes_.size() - 1);
  }

 private:
  std::deque<int64_t> crashes_;
};

}  // namespace kvfs::tools
