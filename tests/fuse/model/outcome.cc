#include "tests/fuse/model/outcome.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace kvfs::model {

std::string Describe(const Outcome& outcome) {
  std::string text = std::to_string(outcome.result);
  if (!outcome.ok()) return text + " " + strerrorname_np(outcome.error);
  if (!outcome.data.empty()) {
    text += outcome.data.size() <= 300 ? " [" + outcome.data + "]"
                                       : " [" + std::to_string(outcome.data.size()) + " bytes]";
  }
  return text;
}

std::string DescribeAttributes(const struct stat& st) {
  char buffer[160];
  snprintf(buffer, sizeof buffer, "mode=%o uid=%u gid=%u nlink=%lu size=%ld rdev=%u:%u", st.st_mode,
           st.st_uid, st.st_gid, static_cast<unsigned long>(st.st_nlink),
           S_ISDIR(st.st_mode) ? 0L : static_cast<long>(st.st_size), major(st.st_rdev),
           minor(st.st_rdev));
  return buffer;
}

std::string DescribeDifference(const std::string& under_test, const std::string& reference) {
  size_t at = 0;
  const size_t common = std::min(under_test.size(), reference.size());
  while (at < common && under_test[at] == reference[at]) ++at;
  size_t differing = 0;
  for (size_t i = at; i < common; ++i) differing += under_test[i] != reference[i];
  char buffer[200];
  snprintf(
      buffer, sizeof buffer,
      "sizes %zu and %zu, first difference at %zu (0x%02x, reference 0x%02x), %zu bytes differ",
      under_test.size(), reference.size(), at,
      at < under_test.size() ? static_cast<unsigned char>(under_test[at]) : 0,
      at < reference.size() ? static_cast<unsigned char>(reference[at]) : 0, differing);
  return buffer;
}

bool TimesAgree(const timespec& a, const timespec& b) {
  if (a.tv_sec < kExplicitTimesEnd || b.tv_sec < kExplicitTimesEnd) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  }
  return std::labs(a.tv_sec - b.tv_sec) <= 10;
}

}  // namespace kvfs::model
