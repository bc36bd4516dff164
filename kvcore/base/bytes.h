// The two byte types of kvfs: an owned buffer and a borrowed view of one.
#pragma once

#include <string>
#include <string_view>

namespace kvfs {

using Bytes = std::string;
using ByteView = std::string_view;

// Lower-case hexadecimal, for messages and tools.
std::string ToHex(ByteView bytes);

}  // namespace kvfs
