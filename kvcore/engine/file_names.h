// The names of the files in a store's directory. Numbers come from one counter, so
// a number names one file ever, whatever its kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvfs::engine {

enum class FileKind : uint8_t {
  kLog,        // 000012.log
  kTable,      // 000012.sst
  kBlob,       // 000012.blob, by physical number
  kManifest,   // MANIFEST-000012
  kCurrent,    // CURRENT: the name of the manifest in force
  kFormat,     // FORMAT: what this directory is, and its format version
  kLock,       // LOCK
  kTemporary,  // anything.tmp: left by a crash within WriteFileAtomically
};

struct FileName {
  FileKind kind = FileKind::kTemporary;
  uint64_t number = 0;  // 0 where the kind has none

  bool operator==(const FileName&) const = default;
};

// nullopt: not a name of ours.
std::optional<FileName> ParseFileName(std::string_view name);

// At least six digits. REQUIRES: not kTemporary.
std::string MakeFileName(FileKind kind, uint64_t number = 0);
inline std::string FilePath(const std::string& directory, FileKind kind, uint64_t number = 0) {
  return directory + "/" + MakeFileName(kind, number);
}

}  // namespace kvfs::engine
