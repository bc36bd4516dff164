#include "tools/common/size.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace kvfs::tools {
namespace {

constexpr std::string_view kUnits = "KMGTPE";

// The factor that `unit` stands for; 0 if it is none.
double Factor(std::string_view unit) {
  if (unit.empty() || unit == "B" || unit == "b") {
    return 1;
  }
  const char letter = static_cast<char>(std::toupper(static_cast<unsigned char>(unit[0])));
  const size_t power = kUnits.find(letter);
  if (power == std::string_view::npos) {
    return 0;
  }
  const std::string_view rest = unit.substr(1);
  const double exponent = static_cast<double>(power + 1);
  if (rest.empty() || rest == "iB" || rest == "ib" || rest == "i") {
    return std::pow(1024.0, exponent);
  }
  if (rest == "B" || rest == "b") {
    return std::pow(1000.0, exponent);
  }
  return 0;
}

}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') {
    unit.remove_prefix(1);
  }
  const double factor = Factor(unit);
  const double bytes = number * factor;
  // Not "bytes < 0": that would let NaN pass.
  if (error != std::errc() || factor == 0 || !(bytes >= 0 && bytes < 9.2e18)) {
    return Status::InvalidArgument("'" + std::string(text) +
                                   "' is not a size (examples: 4096, 512M, 1.5GiB)");
  }
  return static_cast<uint64_t>(bytes);
}

std::string FormatSize(uint64_t bytes) {
  if (bytes < 1024) {
    return std::to_string(bytes) + " B";
  }
  double value = static_cast<double>(bytes);
  size_t power = 0;
  while (value >= 1024 && power < kUnits.size()) {
    value /= 1024;
    ++power;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 10 ? "%.1f %ciB" : "%.0f %ciB", value,
                kUnits[power - 1]);
  return text.data();
}

}  // namespace kvfs::tools
