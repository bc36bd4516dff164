// The answer to FUSE_INIT, amended: libfuse 3.14 knows some features but never
// tells the kernel that they are wanted.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "kvcore/base/bytes.h"

namespace kvfs::fs {

// `message` is what libfuse is about to write to the kernel. If it is a successful answer to INIT
// (the first reply of a session with this shape), the same bytes with `flags` (FUSE_* bits below
// bit 32) added; else nothing.
std::optional<Bytes> AmendInitReply(const iovec* message, int count, uint32_t flags);

}  // namespace kvfs::fs
