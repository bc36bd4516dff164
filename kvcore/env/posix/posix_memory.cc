#include "kvcore/env/posix/posix_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace kvfs::env::posix {

void PosixMemory::ExpectLongUse(char* begin, size_t bytes) {
  // Whole pages only: the rest is somebody else's too.
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(begin) + bytes) / page * page;
  if (first < end) {
    (void)::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
  }
}

}  // namespace kvfs::env::posix
