#include "kvcore/ring/plan.h"

#include <algorithm>
#include <map>

#include "kvcore/ring/compute_layout.h"

namespace kvfs::ring {
namespace {

Status Invalid(const std::string& what) { return Status::InvalidArgument("plan: " + what); }

Status Apply(const Change& change, LayoutSpec* spec) {
  auto& members = spec->members;
  const auto find = [&](NodeId node) {
    return std::find_if(members.begin(), members.end(),
                        [&](const Member& m) { return m.node == node; });
  };
  const auto member = find(change.member.node);
  const std::string name = "node " + std::to_string(change.member.node);
  switch (change.kind) {
    case Change::Kind::kJoin:
      if (member != members.end()) {
        return Invalid(name + " is a member already");
      }
      members.push_back(change.member);
      return Status::Ok();
    case Change::Kind::kLeave:
      if (member == members.end()) {
        return Invalid(name + " is no member");
      }
      members.erase(member);
      return Status::Ok();
    case Change::Kind::kReplace: {
      const auto replaced = find(change.replaced);
      if (member != members.end()) {
        return Invalid(name + " is a member already");
      }
      if (replaced == members.end()) {
        return Invalid("node " + std::to_string(change.replaced) + " is no member");
      }
      replaced->node = change.member.node;
      return Status::Ok();
    }
    case Change::Kind::kSet:
      if (member == members.end()) {
        return Invalid(name + " is no member");
      }
      *member = change.member;
      return Status::Ok();
    case Change::Kind::kSetDatacentre: {
      auto& datacentres = spec->datacentres;
      const auto found =
          std::find_if(datacentres.begin(), datacentres.end(),
                       [&](const Datacentre& d) { return d.name == change.datacentre.name; });
      if (found == datacentres.end()) {
        datacentres.push_back(change.datacentre);
      } else {
        *found = change.datacentre;
      }
      return Status::Ok();
    }
  }
  return Invalid("unknown kind of change");
}

}  // namespace

Result<LayoutSpec> ApplyChanges(LayoutSpec spec, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    KVFS_RETURN_IF_ERROR(Apply(change, &spec));
  }
  KVFS_RETURN_IF_ERROR(Validate(spec));
  return spec;
}

std::vector<Transfer> TransfersBetween(const Layout& current, const Layout& next) {
  std::vector<Transfer> transfers;
  std::map<NodeId, uint32_t> sent;
  for (uint32_t p = 0; p < next.partition_count(); ++p) {
    const std::vector<NodeId> sources = current.PreferenceList(p);
    for (const NodeId to : next.PreferenceList(p)) {
      if (current.Keeps(to, p)) {
        continue;
      }
      // From its own datacentre where that has one, then from whoever has sent least.
      const std::string& datacentre = next.FindMember(to)->datacentre;
      const auto cost = [&](NodeId from) {
        const bool far = current.FindMember(from)->datacentre != datacentre;
        return std::pair(far, sent[from]);
      };
      const NodeId from = *std::min_element(sources.begin(), sources.end(),
                                            [&](NodeId a, NodeId b) { return cost(a) < cost(b); });
      ++sent[from];
      transfers.push_back({.partition = p, .from = from, .to = to});
    }
  }
  return transfers;
}

Result<Plan> PlanChange(const Layout& current, const std::vector<Change>& changes) {
  KVFS_ASSIGN_OR_RETURN(LayoutSpec spec, ApplyChanges(current.spec(), changes));
  KVFS_ASSIGN_OR_RETURN(Layout next, ComputeLayout(std::move(spec), &current));
  std::vector<Transfer> transfers = TransfersBetween(current, next);
  return Plan{std::move(next), std::move(transfers)};
}

}  // namespace kvfs::ring
