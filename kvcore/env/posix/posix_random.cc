#include "kvcore/env/posix/posix_random.h"

#include <errno.h>
#include <sys/random.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace kvfs::env::posix {

uint64_t PosixRandom::Next() {
  std::lock_guard lock(mutex_);
  if (left_ == 0) {
    const auto bytes = static_cast<ssize_t>(sizeof(batch_));
    ssize_t got = -1;
    do {
      got = getrandom(batch_.data(), sizeof(batch_), 0);
    } while (got < 0 && errno == EINTR);
    if (got != bytes) {
      // Identities drawn from anything weaker could repeat: there is no way to go on.
      std::perror("getrandom");
      std::abort();
    }
    left_ = batch_.size();
  }
  // A drawn value does not stay in memory.
  return std::exchange(batch_[--left_], 0);
}

}  // namespace kvfs::env::posix
