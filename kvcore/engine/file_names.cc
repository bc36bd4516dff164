#include "kvcore/engine/file_names.h"

#include <cassert>
#include <charconv>

namespace kvfs::engine {
namespace {

constexpr std::string_view kManifestPrefix = "MANIFEST-";

std::optional<uint64_t> ParseNumber(std::string_view digits) {
  uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (digits.empty() || error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return number;
}

std::string Digits(uint64_t number) {
  std::string digits = std::to_string(number);
  return digits.size() < 6 ? std::string(6 - digits.size(), '0') + digits : digits;
}

std::optional<FileKind> KindOfSuffix(std::string_view suffix) {
  if (suffix == ".log") {
    return FileKind::kLog;
  }
  if (suffix == ".sst") {
    return FileKind::kTable;
  }
  if (suffix == ".blob") {
    return FileKind::kBlob;
  }
  return std::nullopt;
}

}  // namespace

std::optional<FileName> ParseFileName(std::string_view name) {
  if (name == "CURRENT") {
    return FileName{FileKind::kCurrent};
  }
  if (name == "FORMAT") {
    return FileName{FileKind::kFormat};
  }
  if (name == "LOCK") {
    return FileName{FileKind::kLock};
  }
  std::optional<FileName> parsed;
  if (name.starts_with(kManifestPrefix)) {
    if (const auto number = ParseNumber(name.substr(kManifestPrefix.size()))) {
      parsed = FileName{FileKind::kManifest, *number};
    }
  } else if (const size_t dot = name.find('.'); dot != std::string_view::npos) {
    const auto kind = KindOfSuffix(name.substr(dot));
    const auto number = ParseNumber(name.substr(0, dot));
    if (kind && number) {
      parsed = FileName{*kind, *number};
    }
  }
  // Only what MakeFileName makes: "7.log" and "0000007.log" are somebody else's.
  if (parsed && MakeFileName(parsed->kind, parsed->number) == name) {
    return parsed;
  }
  if (name.size() > 4 && name.ends_with(".tmp")) {
    return FileName{FileKind::kTemporary};
  }
  return std::nullopt;
}

std::string MakeFileName(FileKind kind, uint64_t number) {
  switch (kind) {
    case FileKind::kLog:
      return Digits(number) + ".log";
    case FileKind::kTable:
      return Digits(number) + ".sst";
    case FileKind::kBlob:
      return Digits(number) + ".blob";
    case FileKind::kManifest:
      return std::string(kManifestPrefix) + Digits(number);
    case FileKind::kCurrent:
      return "CURRENT";
    case FileKind::kFormat:
      return "FORMAT";
    case FileKind::kLock:
      return "LOCK";
    case FileKind::kTemporary:
      break;
  }
  assert(false && "temporary files have no name of ours");
  return {};
}

}  // namespace kvfs::engine
