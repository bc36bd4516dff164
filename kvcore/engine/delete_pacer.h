// DeletePacer: how fast large files may be deleted. Giving back much space at once keeps
// the disk's journal busy and every sync waiting, so after a burst each deletion is
// followed by a pause in proportion to its size. Pure; its owner locks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace kvfs::engine {

class DeletePacer {
 public:
  static constexpr uint64_t kBurstBytes = 64u << 20;

  // 0: never a pause.
  explicit DeletePacer(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // A file of `bytes` was deleted; how long to wait before the next one.
  int64_t PauseMicros(uint64_t bytes, int64_t now_micros) {
    if (bytes_per_second_ == 0) {
      return 0;
    }
    paid_until_ = std::max(paid_until_, now_micros - Micros(kBurstBytes)) + Micros(bytes);
    return std::max<int64_t>(0, paid_until_ - now_micros);
  }

 private:
  int64_t Micros(uint64_t bytes) const {
    return static_cast<int64_t>(static_cast<double>(bytes) * 1e6 /
                                static_cast<double>(bytes_per_second_));
  }

  const uint64_t bytes_per_second_;
  int64_t paid_until_ = INT64_MIN / 2;
};

}  // namespace kvfs::engine
