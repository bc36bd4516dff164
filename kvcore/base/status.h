// Status and Result: how every fallible call in kvfs answers.
//
// A Status is a code plus a message for people. A code exists only because some
// caller reacts to it; everything else is told apart by its message. Both types
// are values, owned by whoever holds them, and need no synchronisation.
#pragma once

#include <cassert>
#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace kvfs {

enum class Code : unsigned char {
  kOk = 0,
  kNotFound,         // the named thing does not exist
  kAlreadyExists,    // the named thing exists and should not
  kConflict,         // an assert of a transaction did not hold: read again and retry
  kInvalidArgument,  // the caller's input is wrong
  kCorruption,       // bytes read fail verification; the message names file and offset
  kIoError,          // the operating system refused
  kNoSpace,          // the disk, or a configured bound, is full; may be retried later
  kReadOnly,         // the store takes no writes (after a failed fsync, or by request)
  kBusy,             // held by somebody else (a lock, a mount)
  kUnavailable,      // a replica or quorum cannot be reached before the deadline
  kOutcomeUnknown,   // a commit may or may not have happened; settle it by its op_id
};

std::string_view CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  static Status NotFound(std::string m) { return {Code::kNotFound, std::move(m)}; }
  static Status AlreadyExists(std::string m) { return {Code::kAlreadyExists, std::move(m)}; }
  static Status Conflict(std::string m) { return {Code::kConflict, std::move(m)}; }
  static Status InvalidArgument(std::string m) { return {Code::kInvalidArgument, std::move(m)}; }
  static Status Corruption(std::string m) { return {Code::kCorruption, std::move(m)}; }
  static Status IoError(std::string m) { return {Code::kIoError, std::move(m)}; }
  static Status NoSpace(std::string m) { return {Code::kNoSpace, std::move(m)}; }
  static Status ReadOnly(std::string m) { return {Code::kReadOnly, std::move(m)}; }
  static Status Busy(std::string m) { return {Code::kBusy, std::move(m)}; }
  static Status Unavailable(std::string m) { return {Code::kUnavailable, std::move(m)}; }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // "CORRUPTION: 000012.sst at 4096: bad checksum"; "OK".
  std::string ToString() const;

  // The same code with `context: ` put before the message.
  Status Annotate(std::string_view context) const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// Either a T or an error E (a Status unless told otherwise).
template <typename T, typename E = Status>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = E;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {
    assert(!IsOk(this->error()));
  }

  bool ok() const { return state_.index() == 0; }

  T& value() & { return Checked(*this); }
  const T& value() const& { return Checked(*this); }
  T&& value() && { return std::move(Checked(*this)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok()
  const E& error() const {
    assert(!ok());
    return std::get<1>(state_);
  }
  // The error, or OK; only for the default error type.
  Status status() const requires std::same_as<E, Status> { return ok() ? Status() : error(); }

 private:
  template <typename Self>
  static auto& Checked(Self& self) {
    assert(self.ok());
    return std::get<0>(self.state_);
  }
  static bool IsOk(const E& error) {
    if constexpr (requires { error.ok(); }) {
      return error.ok();
    } else {
      return false;
    }
  }

  std::variant<T, E> state_;
};

}  // namespace kvfs

// Leaves the enclosing function with the error if `expr` (a Status) is not OK.
#define KVFS_RETURN_IF_ERROR(expr)                        \
  do {                                                    \
    if (auto kvfs_status_ = (expr); !kvfs_status_.ok()) { \
      return kvfs_status_;                                \
    }                                                     \
  } while (false)

// `KVFS_ASSIGN_OR_RETURN(auto x, F())`: x = the value, or leaves with the error.
#define KVFS_ASSIGN_OR_RETURN(decl, expr) \
  KVFS_ASSIGN_OR_RETURN_(decl, expr, return, KVFS_CONCAT_(kvfs_result_, __LINE__))
// The same two inside a coroutine.
#define KVFS_CO_RETURN_IF_ERROR(expr)                     \
  do {                                                    \
    if (auto kvfs_status_ = (expr); !kvfs_status_.ok()) { \
      co_return kvfs_status_;                             \
    }                                                     \
  } while (false)
#define KVFS_CO_ASSIGN_OR_RETURN(decl, expr) \
  KVFS_ASSIGN_OR_RETURN_(decl, expr, co_return, KVFS_CONCAT_(kvfs_result_, __LINE__))

#define KVFS_CONCAT_INNER_(a, b) a##b
#define KVFS_CONCAT_(a, b) KVFS_CONCAT_INNER_(a, b)
#define KVFS_ASSIGN_OR_RETURN_(decl, expr, ret, tmp) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) {                                   \
    ret tmp.error();                                 \
  }                                                  \
  decl = std::move(*tmp)
