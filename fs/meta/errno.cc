#include "fs/meta/errno.h"

namespace kvfs::fs {

Errno ToErrno(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return 0;
    case Code::kNotFound:
      return ENOENT;
    case Code::kAlreadyExists:
      return EEXIST;
    case Code::kConflict:
      return EAGAIN;
    case Code::kInvalidArgument:
      return EINVAL;
    case Code::kNoSpace:
      return ENOSPC;
    case Code::kReadOnly:
      return EROFS;
    case Code::kBusy:
      return EBUSY;
    case Code::kUnavailable:
    case Code::kOutcomeUnknown:
      return ETIMEDOUT;
    case Code::kCorruption:
    case Code::kIoError:
      return EIO;
  }
  return EIO;
}

}  // namespace kvfs::fs
