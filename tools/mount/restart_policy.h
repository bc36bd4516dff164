// RestartPolicy: when a daemon that crashed, or could not start again, is started
// again. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kvcore/base/status.h"

namespace kvfs::tools {

class RestartPolicy {
 public:
  static constexpr int64_t kFirstDelayMillis = 100;
  static constexpr int64_t kLongestDelayMillis = 30'000;
  // Failures further apart than this have nothing to do with each other.
  static constexpr int64_t kForgottenMillis = 60'000;

  // A failure at `now_millis` (never going back): how long to wait before the next start, each time
  // twice as long, up to the longest. Without an end: a disk may be repaired after hours, and until
  // then programs are better off with ENOTCONN than with the bare directory.
  int64_t OnFailure(int64_t now_millis) {
    if (now_millis - last_millis_ >= kForgottenMillis) {
      failures_ = 0;
    }
    last_millis_ = now_millis;
    failures_ = std::min(failures_ + 1, 20);
    return std::min(kFirstDelayMillis << (failures_ - 1), kLongestDelayMillis);
  }

 private:
  int failures_ = 0;
  int64_t last_millis_ = 0;
};

// Whether a start that failed with this code may succeed later without anybody's doing. Not where
// the store is damaged (kCorruption), is not ours to read (kInvalidArgument), is served by somebody
// else (kAlreadyExists), or the mount was taken away meanwhile (kConflict).
inline bool MayHeal(Code code) {
  return code != Code::kCorruption && code != Code::kInvalidArgument &&
         code != Code::kAlreadyExists && code != Code::kConflict;
}

}  // namespace kvfs::tools
