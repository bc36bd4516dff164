// The mixed load: four threads that each work in a tree of their own as an office
// does on a file server (make, write, read, look at, list, rename, sync, remove), and
// note how long every call took.
#pragma once

#include <string>

#include "tests/bench/workload.h"

namespace kvfs::bench {

// In `directory`, which is empty; it is left with what was being worked on.
MixedFigures RunMixedLoad(const std::string& directory, double seconds);

}  // namespace kvfs::bench
