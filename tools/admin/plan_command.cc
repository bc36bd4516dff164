// kvfs-admin plan: computed here, from the layout that a node tells.
#include <utility>

#include "kvcore/ring/plan.h"
#include "tools/admin/ask.h"
#include "tools/admin/cluster_commands.h"
#include "tools/admin/print.h"
#include "tools/common/members.h"

namespace kvfs::tools {
namespace {

using nlohmann::json;
using ring::Change;

// Where it stands; one that says no datacentre is in the only one there is.
Result<Change> ChangeOf(Change::Kind kind, const std::string& word, const ring::Layout& layout) {
  KVFS_ASSIGN_OR_RETURN(const NodeAddress node, ParseNodePlace(word));
  Change change;
  change.kind = kind;
  change.member.node = node.node;
  change.member.weight = node.weight;
  change.member.zone = node.zone;
  change.member.datacentre = node.datacentre;
  if (node.datacentre.empty()) {
    if (layout.spec().datacentres.size() != 1) {
      return Status::InvalidArgument("'" + word + "' lacks /datacentre=NAME: there are several");
    }
    change.member.datacentre = layout.spec().datacentres.front().name;
  }
  return change;
}

Result<Change> Replacement(const std::string& word, const ring::Layout& layout) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos) {
    return Status::InvalidArgument("'" + word + "' is not OLD=NEW, the numbers of two nodes");
  }
  KVFS_ASSIGN_OR_RETURN(const NodeAddress old, ParseNodePlace(word.substr(0, equals)));
  KVFS_ASSIGN_OR_RETURN(Change change,
                        ChangeOf(Change::Kind::kReplace, word.substr(equals + 1), layout));
  change.replaced = old.node;
  return change;
}

Result<std::vector<Change>> ChangesOf(const PlanFlags& flags, const ring::Layout& layout) {
  std::vector<Change> changes;
  for (const auto& [kind, words] :
       {std::pair{Change::Kind::kJoin, &flags.add}, std::pair{Change::Kind::kSet, &flags.set},
        std::pair{Change::Kind::kReplace, &flags.replace},
        std::pair{Change::Kind::kLeave, &flags.remove}}) {
    for (const std::string& word : *words) {
      KVFS_ASSIGN_OR_RETURN(Change change, kind == Change::Kind::kReplace
                                               ? Replacement(word, layout)
                                               : ChangeOf(kind, word, layout));
      changes.push_back(std::move(change));
    }
  }
  if (changes.empty()) {
    return Status::InvalidArgument("which change? --add, --set, --replace or --remove");
  }
  return changes;
}

json PlanJson(const ring::Plan& plan) {
  json transfers = json::array();
  for (const ring::Transfer& transfer : plan.transfers) {
    transfers.push_back(
        {{"partition", transfer.partition}, {"from", transfer.from}, {"to", transfer.to}});
  }
  json members = json::array();
  const auto counts = plan.next.PartitionsPerMember();
  for (size_t i = 0; i < counts.size(); ++i) {
    members.push_back({{"node_id", plan.next.members()[i].node}, {"partitions", counts[i]}});
  }
  return {{"number", plan.next.id().number}, {"members", members}, {"transfers", transfers}};
}

}  // namespace

Result<int> PlanCommand(const AdminFlags& flags, const PlanFlags& plan_flags) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  ops::AdminRequest request;
  request.mutable_ring();
  KVFS_ASSIGN_OR_RETURN(const auto response, asker->Ask(request));
  KVFS_ASSIGN_OR_RETURN(const ring::Layout layout, ring::DecodeLayout(response.ring().layout()));
  KVFS_ASSIGN_OR_RETURN(const std::vector<Change> changes, ChangesOf(plan_flags, layout));
  KVFS_ASSIGN_OR_RETURN(const ring::Plan plan, ring::PlanChange(layout, changes));
  if (flags.json) {
    PrintJson(PlanJson(plan));
  } else {
    std::printf("%s\nThis is what would move. Nothing was changed.\n",
                ring::Picture(layout, plan).c_str());
  }
  return kExitOk;
}

}  // namespace kvfs::tools
