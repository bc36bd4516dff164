#include "kvcore/ring/transition.h"

namespace kvfs::ring {

std::set<uint32_t> StillMoving(const RingView& view, const Moved& moved,
                               const std::function<bool(NodeId)>& is_alive) {
  std::set<uint32_t> still;
  const Layout* const next = view.next();
  for (uint32_t partition = 0; next != nullptr && partition < next->partition_count();
       ++partition) {
    if (!view.Moves(partition)) {
      continue;
    }
    const std::vector<NodeId> replicas = next->PreferenceList(partition);
    size_t have = 0;
    bool waits = false;
    for (const NodeId node : replicas) {
      const auto found = moved.find(node);
      const bool has = found != moved.end() && found->second.contains(partition);
      have += has ? 1 : 0;
      waits = waits || (!has && is_alive(node));
    }
    if (waits || have <= replicas.size() / 2) {
      still.insert(partition);
    }
  }
  return still;
}

}  // namespace kvfs::ring
