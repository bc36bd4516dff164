// Keys of the store as people write and read them. Pure.
#pragma once

#include <string>
#include <string_view>

#include "kvcore/base/bytes.h"
#include "kvcore/base/status.h"

namespace kvfs::tools {

// "0x6b6579": these bytes; "dir:17": the partition key of a directory by its inode number; anything
// else is the key itself. kInvalidArgument.
Result<Bytes> ParseKey(std::string_view text);
// The same way back; "0x..." where it is not all printable.
std::string FormatKey(ByteView key);

}  // namespace kvfs::tools
