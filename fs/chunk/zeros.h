// Zero detection: a chunk is stored without the zeros at its end, for that is how a short
// chunk reads; one of zeros alone is a hole.
#pragma once

#include "kvcore/base/bytes.h"

namespace kvfs::fs {

ByteView WithoutTrailingZeros(ByteView bytes);

}  // namespace kvfs::fs
