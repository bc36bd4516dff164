// What one system call did: its result, its errno and what it returned besides.
// The model test runs every operation on two sides and compares two of these.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace kvfs::model {

struct Outcome {
  long result = 0;
  int error = 0;     // errno when result is negative
  std::string data;  // bytes read, names listed, attributes: whatever must be equal

  bool ok() const { return result >= 0; }
  bool operator==(const Outcome&) const = default;
};

// Call right after the system call.
inline Outcome FromCall(long result) {
  Outcome outcome;
  outcome.result = result;
  if (result < 0) outcome.error = errno;
  return outcome;
}

std::string Describe(const Outcome& outcome);

// The attributes that must be equal on both sides, as text. Sizes of directories
// and numbers of blocks are a file system's own business, and are left out.
std::string DescribeAttributes(const struct stat& st);

// Where two texts first differ, for a report that fits a screen.
std::string DescribeDifference(const std::string& under_test, const std::string& reference);

// Times set explicitly by the test lie before this one and must be equal to the
// nanosecond; times that the file systems took from the clock lie after it.
constexpr time_t kExplicitTimesEnd = 1'600'000'000;

// True if the two modification times are what one sequence of operations gives on
// two file systems.
bool TimesAgree(const timespec& a, const timespec& b);

}  // namespace kvfs::model
