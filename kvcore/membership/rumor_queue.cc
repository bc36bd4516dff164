#include "kvcore/membership/rumor_queue.h"

#include <algorithm>

namespace kvfs::membership {

void RumorQueue::Add(Rumor rumor) {
  const NodeId node = rumor.peer.node;
  entries_[node] = {std::move(rumor), 0};
}

std::vector<Rumor> RumorQueue::Take(size_t max_bytes, int times) {
  std::vector<Entry*> order;
  order.reserve(entries_.size());
  for (auto& [node, entry] : entries_) {
    order.push_back(&entry);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Entry* a, const Entry* b) { return a->told < b->told; });
  std::vector<Rumor> taken;
  std::vector<NodeId> done;
  for (Entry* entry : order) {
    const size_t size = EncodedSize(entry->rumor);
    if (size > max_bytes) {
      break;
    }
    max_bytes -= size;
    taken.push_back(entry->rumor);
    if (++entry->told >= times) {
      done.push_back(entry->rumor.peer.node);
    }
  }
  for (const NodeId node : done) {
    entries_.erase(node);
  }
  return taken;
}

}  // namespace kvfs::membership
