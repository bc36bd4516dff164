// Once: recognises requests that come a second time, from each peer. Pure; the caller
// serialises. Requests of a peer are numbered in ascending order within its life, and the
// lives of a peer ascend.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>

#include "kvcore/env/message_bus.h"

namespace kvfs::node {

class Once {
 public:
  // How far a request may be overtaken; a later one is dropped though it may be new.
  static constexpr uint64_t kWindow = 4096;

  // True the first time. False for numbers that were seen, may have been seen, or belong to an
  // earlier life of the peer than the latest seen.
  bool IsFirst(env::NodeId peer, uint64_t life, uint64_t number);

 private:
  struct Peer {
    uint64_t life = 0;
    uint64_t highest = 0;
    std::bitset<kWindow> seen;  // number modulo the window, of those above highest - window
  };
  std::map<env::NodeId, Peer> peers_;
};

}  // namespace kvfs::node
