// Each datacentre is a problem of its own: shares, then an assignment with these shares, then the
// primaries. The lists of the datacentres are put one behind the other.
#include "kvcore/ring/compute_layout.h"

#include <algorithm>
#include <map>

#include "kvcore/ring/assignment.h"
#include "kvcore/ring/mix.h"
#include "kvcore/ring/primaries.h"
#include "kvcore/ring/shares.h"

namespace kvfs::ring {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

void Sort(LayoutSpec* spec) {
  std::sort(spec->datacentres.begin(), spec->datacentres.end(),
            [](const Datacentre& a, const Datacentre& b) { return a.name < b.name; });
  std::sort(spec->members.begin(), spec->members.end(),
            [](const Member& a, const Member& b) { return a.node < b.node; });
}

// The part of the layout that lies in one datacentre. Its nodes are known by their place among the
// members of the datacentre that have a weight ("bearers").
class DatacentrePart {
 public:
  DatacentrePart(const LayoutSpec& spec, const Datacentre& datacentre, const Layout* previous) {
    std::map<std::string, uint32_t> zones;
    for (uint32_t i = 0; i < spec.members.size(); ++i) {
      const Member& member = spec.members[i];
      if (member.datacentre == datacentre.name && member.weight > 0) {
        const auto zone =
            zones.emplace(member.zone, static_cast<uint32_t>(zones.size())).first->second;
        bearer_of_.emplace(member.node, static_cast<uint32_t>(members_.size()));
        members_.push_back(i);
        nodes_.push_back(member.node);
        problem_.bearers.push_back({.weight = member.weight, .zone = zone, .kept = 0});
      }
    }
    problem_.partitions = 1u << spec.partition_bits;
    problem_.zones = static_cast<uint32_t>(zones.size());
    problem_.replicas =
        std::min(datacentre.replication_factor, static_cast<uint32_t>(members_.size()));
    kept_.resize(problem_.partitions);
    previous_primaries_.resize(problem_.partitions, kNone);
    if (previous != nullptr) {
      ReadPrevious(*previous);
    }
  }

  // For each partition its preference list here, as indices of spec.members.
  std::vector<std::vector<uint16_t>> Compute() {
    std::vector<std::vector<uint16_t>> lists(problem_.partitions);
    if (problem_.replicas == 0) {
      return lists;
    }
    auto replicas = Assignment(problem_, ComputeShares(problem_), std::move(kept_)).Solve();
    const auto primaries =
        ChoosePrimaries(replicas, static_cast<uint32_t>(members_.size()), previous_primaries_);
    for (uint32_t p = 0; p < problem_.partitions; ++p) {
      // Behind the primary in no order: so its work, when it fails, goes to many.
      std::sort(replicas[p].begin(), replicas[p].end(), [&](uint32_t a, uint32_t b) {
        if ((a == primaries[p]) != (b == primaries[p])) {
          return a == primaries[p];
        }
        return Mix(p, nodes_[a]) < Mix(p, nodes_[b]);
      });
      for (const uint32_t bearer : replicas[p]) {
        lists[p].push_back(static_cast<uint16_t>(members_[bearer]));
      }
    }
    return lists;
  }

 private:
  void ReadPrevious(const Layout& previous) {
    std::vector<uint32_t> bearers;  // of each member of the previous layout
    for (const Member& member : previous.members()) {
      const auto found = bearer_of_.find(member.node);
      bearers.push_back(found == bearer_of_.end() ? kNone : found->second);
    }
    for (uint32_t p = 0; p < problem_.partitions; ++p) {
      for (const uint16_t index : previous.Replicas(p)) {
        if (const uint32_t bearer = bearers[index]; bearer != kNone) {
          if (kept_[p].empty()) {
            previous_primaries_[p] = bearer;
          }
          kept_[p].push_back(bearer);
          ++problem_.bearers[bearer].kept;
        }
      }
    }
  }

  ShareProblem problem_;
  std::vector<uint32_t> members_;  // of each bearer: its index in spec.members
  std::vector<NodeId> nodes_;
  std::map<NodeId, uint32_t> bearer_of_;
  std::vector<std::vector<uint32_t>> kept_;
  std::vector<uint32_t> previous_primaries_;
};

}  // namespace

Result<Layout> ComputeLayout(LayoutSpec spec, const Layout* previous) {
  KVFS_RETURN_IF_ERROR(Validate(spec));
  if (previous != nullptr && previous->spec().partition_bits != spec.partition_bits) {
    return Status::InvalidArgument("layout: the number of partitions cannot be changed");
  }
  Sort(&spec);
  std::vector<std::vector<std::vector<uint16_t>>> parts;  // of each datacentre, each partition
  for (const Datacentre& datacentre : spec.datacentres) {
    auto lists = DatacentrePart(spec, datacentre, previous).Compute();
    if (!lists.front().empty()) {
      parts.push_back(std::move(lists));
    }
  }
  std::vector<uint16_t> replicas;
  const uint32_t partitions = 1u << spec.partition_bits;
  for (uint32_t p = 0; p < partitions; ++p) {
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto& list = parts[(p + i) % parts.size()][p];
      replicas.insert(replicas.end(), list.begin(), list.end());
    }
  }
  const uint64_t number = previous == nullptr ? 1 : previous->id().number + 1;
  return Layout(number, std::move(spec), std::move(replicas));
}

}  // namespace kvfs::ring
