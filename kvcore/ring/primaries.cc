// A matching of partitions with their replicas, grown by augmenting paths: as every replica taking
// an equal part of each partition would be within the bounds, so is some choice of whole ones.
#include "kvcore/ring/primaries.h"

#include <algorithm>
#include <cassert>

#include "kvcore/ring/mix.h"

namespace kvfs::ring {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

class Matching {
 public:
  Matching(const std::vector<std::vector<uint32_t>>& replicas, uint32_t nodes)
      : replicas_(replicas), room_(nodes), led_(nodes), primary_(replicas.size(), kNone) {
    std::vector<uint32_t> kept(nodes);
    for (const auto& of_partition : replicas) {
      for (const uint32_t node : of_partition) {
        ++kept[node];
      }
    }
    const auto width = static_cast<uint32_t>(replicas.front().size());
    for (uint32_t node = 0; node < nodes; ++node) {
      room_[node] = (kept[node] + width - 1) / width;
    }
  }

  bool IsSet(uint32_t partition) const { return primary_[partition] != kNone; }
  bool HasRoom(uint32_t node) const { return room_[node] > 0; }
  uint32_t Room(uint32_t node) const { return room_[node]; }
  void Set(uint32_t partition, uint32_t node) {
    primary_[partition] = node;
    led_[node].push_back(partition);
    --room_[node];
  }

  // Room is made for the partition by others changing their primaries.
  void Augment(uint32_t partition) {
    struct Step {
      uint32_t partition = kNone;
      uint32_t from = kNone;
    };
    std::vector<Step> steps(room_.size());
    std::vector<uint32_t> queue;
    uint32_t end = kNone;
    const auto reach = [&](uint32_t p, uint32_t from) {
      for (const uint32_t node : replicas_[p]) {
        if (steps[node].partition == kNone && end == kNone) {
          steps[node] = {p, from};
          queue.push_back(node);
          end = HasRoom(node) ? node : kNone;
        }
      }
    };
    reach(partition, kNone);
    for (size_t next = 0; next < queue.size() && end == kNone; ++next) {
      const uint32_t node = queue[next];
      std::erase_if(led_[node], [&](uint32_t p) { return primary_[p] != node; });
      for (size_t i = 0; i < led_[node].size() && end == kNone; ++i) {
        reach(led_[node][i], node);
      }
    }
    assert(end != kNone);
    --room_[end];
    for (uint32_t node = end; node != kNone; node = steps[node].from) {
      primary_[steps[node].partition] = node;
      led_[node].push_back(steps[node].partition);
    }
  }

  std::vector<uint32_t> Take() { return std::move(primary_); }

 private:
  const std::vector<std::vector<uint32_t>>& replicas_;
  std::vector<uint32_t> room_;              // how many more a node may lead
  std::vector<std::vector<uint32_t>> led_;  // what each leads; may hold what it led before
  std::vector<uint32_t> primary_;
};

}  // namespace

std::vector<uint32_t> ChoosePrimaries(const std::vector<std::vector<uint32_t>>& replicas,
                                      uint32_t nodes, const std::vector<uint32_t>& previous) {
  Matching matching(replicas, nodes);
  const auto partitions = static_cast<uint32_t>(replicas.size());
  for (uint32_t p = 0; p < partitions; ++p) {
    const auto& mine = replicas[p];
    if (previous[p] != kNone && std::find(mine.begin(), mine.end(), previous[p]) != mine.end() &&
        matching.HasRoom(previous[p])) {
      matching.Set(p, previous[p]);
    }
  }
  for (uint32_t p = 0; p < partitions; ++p) {
    if (matching.IsSet(p)) {
      continue;
    }
    const uint32_t best =
        *std::max_element(replicas[p].begin(), replicas[p].end(), [&](uint32_t a, uint32_t b) {
          return matching.Room(a) != matching.Room(b) ? matching.Room(a) < matching.Room(b)
                                                      : Mix(p, a) < Mix(p, b);
        });
    if (matching.HasRoom(best)) {
      matching.Set(p, best);
    } else {
      matching.Augment(p);
    }
  }
  return matching.Take();
}

}  // namespace kvfs::ring
