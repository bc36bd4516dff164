#include "tools/admin/key_text.h"

#include <algorithm>
#include <charconv>

#include "fs/meta/keys.h"

namespace kvfs::tools {
namespace {

constexpr std::string_view kHexPrefix = "0x";
constexpr std::string_view kDirectoryPrefix = "dir:";

int Digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

Result<Bytes> ParseKey(std::string_view text) {
  if (text.starts_with(kHexPrefix)) {
    const std::string_view digits = text.substr(kHexPrefix.size());
    if (digits.empty() || digits.size() % 2 != 0 ||
        !std::all_of(digits.begin(), digits.end(), [](char c) { return Digit(c) >= 0; })) {
      return Status::InvalidArgument("'" + std::string(text) +
                                     "' is not 0x and an even number of hexadecimal digits");
    }
    Bytes key;
    for (size_t i = 0; i < digits.size(); i += 2) {
      key.push_back(static_cast<char>(Digit(digits[i]) * 16 + Digit(digits[i + 1])));
    }
    return key;
  }
  if (text.starts_with(kDirectoryPrefix)) {
    const std::string_view number = text.substr(kDirectoryPrefix.size());
    uint64_t ino = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), ino);
    if (error != std::errc() || end != number.data() + number.size()) {
      return Status::InvalidArgument("'" + std::string(text) +
                                     "' is not dir: and the inode number of a directory");
    }
    return fs::keys::DirectoryPk(ino);
  }
  return Bytes(text);
}

std::string FormatKey(ByteView key) {
  if (const auto ino = fs::keys::HomeOfPk(key); ino.has_value()) {
    return std::string(kDirectoryPrefix) + std::to_string(*ino);
  }
  const bool printable = !key.empty() && std::all_of(key.begin(), key.end(),
                                                     [](char c) { return c > ' ' && c < 0x7f; });
  if (printable && !key.starts_with(kHexPrefix) && !key.starts_with(kDirectoryPrefix)) {
    return std::string(key);
  }
  return std::string(kHexPrefix) + ToHex(key);
}

}  // namespace kvfs::tools
