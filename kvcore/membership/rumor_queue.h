// RumorQueue: what a member still has to tell, at most one rumour about each peer. One user.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "kvcore/membership/message.h"

namespace kvfs::membership {

class RumorQueue {
 public:
  // Replaces what was to be told about the same peer.
  void Add(Rumor rumor);
  // Up to `max_bytes` of rumours, those first that were told least; each one is told `times` times
  // in all and then forgotten.
  std::vector<Rumor> Take(size_t max_bytes, int times);
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Rumor rumor;
    int told = 0;
  };
  std::map<NodeId, Entry> entries_;
};

}  // namespace kvfs::membership
