// PosixMemory: hints by madvise.
#pragma once

#include "kvcore/env/memory.h"

namespace kvfs::env::posix {

class PosixMemory final : public Memory {
 public:
  void ExpectLongUse(char* begin, size_t bytes) override;
};

}  // namespace kvfs::env::posix
