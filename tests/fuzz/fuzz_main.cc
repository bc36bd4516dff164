// One libFuzzer program per target; the build defines which.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kvfs::fuzz::KVFS_FUZZ_TARGET(data, size);
  return 0;
}
