#include "kvcore/base/status.h"

namespace kvfs {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "OK";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kAlreadyExists:
      return "ALREADY_EXISTS";
    case Code::kConflict:
      return "CONFLICT";
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kCorruption:
      return "CORRUPTION";
    case Code::kIoError:
      return "IO_ERROR";
    case Code::kNoSpace:
      return "NO_SPACE";
    case Code::kReadOnly:
      return "READ_ONLY";
    case Code::kBusy:
      return "BUSY";
    case Code::kUnavailable:
      return "UNAVAILABLE";
    case Code::kOutcomeUnknown:
      return "OUTCOME_UNKNOWN";
  }
  return "UNKNOWN_CODE";
}

std::string Status::ToString() const {
  if (ok()) {
    return "OK";
  }
  return std::string(CodeName(code_)) + ": " + message_;
}

Status Status::Annotate(std::string_view context) const {
  if (ok()) {
    return *this;
  }
  return {code_, std::string(context) + ": " + message_};
}

}  // namespace kvfs
