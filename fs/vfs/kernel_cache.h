// KernelCache: what the kernel remembers of a mount, as seen by who knows that it is old. fs/fuse
// implements it. Thread-safe. No call waits; each is carried out some time later, in no order, or
// not at all if there is too much: the kernel's time-outs are what counts.
#pragma once

#include <functional>

#include "fs/meta/types.h"

namespace kvfs::fs {

class KernelCache {
 public:
  virtual ~KernelCache() = default;

  virtual void ForgetName(Ino directory, Bytes name) = 0;
  virtual void ForgetAttributes(Ino ino) = 0;
  // And the attributes. `done` (may be empty) is called by some thread once the kernel has none of
  // the old pages, or is not served any more; never inside this call.
  virtual void ForgetPages(Ino ino, std::function<void()> done) = 0;
};

}  // namespace kvfs::fs
