// FUSE_HANDLE_KILLPRIV_V2: the kernel no longer asks for security.capability before
// every write; instead it says in a write, and in an open that truncates, that suid
// and sgid have to go. libfuse 3.14 knows neither flag, so they are moved to where it
// passes something on.
#pragma once

#include <cstddef>

namespace kvfs::fs {

// Beside the flags of open(2) in fuse_file_info::flags, in a bit that none of them has.
inline constexpr int kKillsSetIds = 1 << 30;

// `message` is a request as it came from the kernel, of `size` bytes. Pure.
void CarryKillFlags(char* message, size_t size);

}  // namespace kvfs::fs
