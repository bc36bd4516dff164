#include "kvcore/env/posix/posix_error.h"

#include <errno.h>

#include <string>
#include <system_error>

namespace kvfs::env::posix {
namespace {

Code CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case EROFS:
      return Code::kReadOnly;
    default:
      return Code::kIoError;
  }
}

}  // namespace

Status ErrnoToStatus(int error, std::string_view call, std::string_view path) {
  std::string message(path);
  message.append(": ").append(call).append(": ");
  message.append(std::generic_category().message(error));
  return {CodeOf(error), std::move(message)};
}

}  // namespace kvfs::env::posix
