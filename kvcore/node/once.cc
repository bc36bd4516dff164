#include "kvcore/node/once.h"

#include <algorithm>

namespace kvfs::node {

bool Once::IsFirst(env::NodeId peer, uint64_t life, uint64_t number) {
  Peer& known = peers_[peer];
  if (life < known.life) {
    return false;
  }
  if (life > known.life) {
    known = Peer{.life = life};
  }
  if (number > known.highest) {
    const uint64_t step = number - known.highest;
    if (step >= kWindow) {
      known.seen.reset();
    } else {
      for (uint64_t i = known.highest + 1; i <= number; ++i) {
        known.seen.reset(i % kWindow);
      }
    }
    known.highest = number;
  } else if (known.highest - number >= kWindow || known.seen.test(number % kWindow)) {
    return false;
  }
  known.seen.set(number % kWindow);
  return true;
}

}  // namespace kvfs::node
