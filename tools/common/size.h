// Sizes as people write them: "512M", "1.5GiB", "2TB", "4096".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kvcore/base/status.h"

namespace kvfs::tools {

// K, M, G, T, P with or without iB are powers of 1024; KB, MB, ... powers of 1000. No unit: bytes.
Result<uint64_t> ParseSize(std::string_view text);

// "1.5 GiB", "812 B".
std::string FormatSize(uint64_t bytes);

}  // namespace kvfs::tools
