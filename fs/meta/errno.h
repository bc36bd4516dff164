// Errno: how the filesystem answers. POSIX names the error of every call, so fs/
// speaks errno values; a Status of the store is turned into one at the single
// place below. 0 is success.
#pragma once

#include <cerrno>

#include "kvcore/base/status.h"

namespace kvfs::fs {

class [[nodiscard]] Errno {
 public:
  constexpr Errno() = default;
  constexpr Errno(int value) : value_(value) {}

  constexpr bool ok() const { return value_ == 0; }
  constexpr int value() const { return value_; }
  constexpr bool operator==(const Errno&) const = default;

 private:
  int value_ = 0;
};

template <typename T>
using FsResult = Result<T, Errno>;

// kNotFound -> ENOENT, kNoSpace -> ENOSPC, kReadOnly -> EROFS, kUnavailable and kOutcomeUnknown ->
// ETIMEDOUT, kConflict -> EAGAIN (callers retry before it gets here), else EIO.
Errno ToErrno(const Status& status);

}  // namespace kvfs::fs
