// Zero detection: a chunk of zeros is stored as a hole.
#pragma once

#include "kvcore/base/bytes.h"

namespace kvfs::fs {

bool IsAllZero(ByteView bytes);

}  // namespace kvfs::fs
