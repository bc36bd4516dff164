// kvfs-admin plan, apply, join, leave, replace, transfers. A plan is computed here, from the layout
// that a node tells; what is applied the node computes again, to the same end.
#include <time.h>

#include <utility>

#include "kvcore/ring/plan.h"
#include "tools/admin/ask.h"
#include "tools/admin/cluster_commands.h"
#include "tools/admin/print.h"
#include "tools/common/members.h"
#include "tools/common/size.h"
#include "tools/common/table.h"

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

// What is staged, and what it would lead to.
struct Staged {
  ring::Layout layout;
  std::vector<Change> changes;
  ring::Plan plan;
};

Result<Staged> Stage(Asker* asker, const PlanFlags& flags) {
  ops::AdminRequest request;
  request.mutable_ring();
  KVFS_ASSIGN_OR_RETURN(const auto response, asker->Ask(request));
  KVFS_ASSIGN_OR_RETURN(ring::Layout layout, ring::DecodeLayout(response.ring().layout()));
  KVFS_ASSIGN_OR_RETURN(std::vector<Change> changes, ChangesOf(flags, layout));
  KVFS_ASSIGN_OR_RETURN(ring::Plan plan, ring::PlanChange(layout, changes));
  return Staged{std::move(layout), std::move(changes), std::move(plan)};
}

Result<admin::TransfersResponse> AskForTransfers(Asker* asker) {
  ops::AdminRequest request;
  request.mutable_transfers();
  KVFS_ASSIGN_OR_RETURN(const auto response, asker->Ask(request));
  return response.transfers();
}

json TransfersJson(const admin::TransfersResponse& transfers) {
  json nodes = json::array();
  for (const auto& node : transfers.nodes()) {
    nodes.push_back({{"node_id", node.node_id()},
                     {"answers", node.answers()},
                     {"layout_number", node.layout_number()},
                     {"in_transition", node.in_transition()},
                     {"partitions", node.partitions()},
                     {"wanted", node.wanted()},
                     {"moved", node.moved()},
                     {"moved_keys", node.moved_keys()},
                     {"moved_chunks", node.moved_chunks()},
                     {"moved_bytes", node.moved_bytes()},
                     {"trouble", node.trouble()},
                     {"to_erase", node.to_erase()}});
  }
  return {{"layout_number", transfers.layout_number()},
          {"in_transition", transfers.in_transition()},
          {"moving", transfers.moving()},
          {"nodes", nodes}};
}

std::string TransfersText(const admin::TransfersResponse& transfers) {
  const std::string layout = "layout " + std::to_string(transfers.layout_number());
  std::string out = transfers.in_transition()
                        ? layout + " takes over; " + std::to_string(transfers.moving()) +
                              " partitions are not yet where they are to be\n\n"
                        : layout + " is complete\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& node : transfers.nodes()) {
    const auto count = [&](uint64_t number) {
      return node.answers() ? std::to_string(number) : std::string("?");
    };
    rows.push_back({std::to_string(node.node_id()), std::to_string(node.partitions()),
                    count(node.moved()) + "/" + count(node.wanted()), count(node.moved_keys()),
                    count(node.moved_chunks()),
                    node.answers() ? FormatSize(node.moved_bytes()) : "?", count(node.to_erase())});
  }
  out += FormatTable({"NODE", "KEEPS", "FETCHED", "KEYS", "CHUNKS", "BYTES", "TO ERASE"}, rows);
  for (const auto& node : transfers.nodes()) {
    if (!node.answers()) {
      out += "node " + std::to_string(node.node_id()) + " does not answer\n";
    } else if (!node.trouble().empty()) {
      out += "node " + std::to_string(node.node_id()) + " waits: " + node.trouble() + "\n";
    } else if (node.layout_number() < transfers.layout_number()) {
      out += "node " + std::to_string(node.node_id()) + " knows only of layout " +
             std::to_string(node.layout_number()) + "\n";
    }
  }
  return out;
}

// Until the layout is complete.
Result<int> Wait(const AdminFlags& flags, Asker* asker, uint64_t number) {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 500'000'000};
  while (true) {
    KVFS_ASSIGN_OR_RETURN(const auto transfers, AskForTransfers(asker));
    if (transfers.layout_number() > number ||
        (transfers.layout_number() == number && !transfers.in_transition())) {
      if (flags.json) {
        PrintJson(TransfersJson(transfers));
      } else {
        std::fputs(TransfersText(transfers).c_str(), stdout);
      }
      return kExitOk;
    }
    nanosleep(&kPause, nullptr);
  }
}

}  // namespace

Result<int> PlanCommand(const AdminFlags& flags, const PlanFlags& plan_flags) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  KVFS_ASSIGN_OR_RETURN(const Staged staged, Stage(asker.get(), plan_flags));
  if (flags.json) {
    PrintJson(PlanJson(staged.plan));
  } else {
    std::printf("%s\nThis is what would move. Nothing was changed.\n",
                ring::Picture(staged.layout, staged.plan).c_str());
  }
  return kExitOk;
}

Result<int> ApplyCommand(const AdminFlags& flags, const PlanFlags& plan_flags, bool wait) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  KVFS_ASSIGN_OR_RETURN(const Staged staged, Stage(asker.get(), plan_flags));
  ops::AdminRequest request;
  admin::ApplyRequest* const apply = request.mutable_apply();
  apply->set_base_number(staged.layout.id().number);
  apply->set_base_hash(staged.layout.id().hash);
  for (const Change& change : staged.changes) {
    admin::LayoutChange* const one = apply->add_changes();
    one->set_kind(static_cast<uint32_t>(change.kind));
    one->set_node(change.member.node);
    one->set_weight(change.member.weight);
    one->set_datacentre(change.member.datacentre);
    one->set_zone(change.member.zone);
    one->set_replaced(change.replaced);
  }
  KVFS_ASSIGN_OR_RETURN(const auto response, asker->Ask(request));
  const uint64_t number = response.apply().layout_number();
  if (!flags.json) {
    std::printf("%s\nLayout %llu is decided; the nodes fetch what they lack%s.\n",
                ring::Picture(staged.layout, staged.plan).c_str(),
                static_cast<unsigned long long>(number),
                wait ? "" : " (kvfs-admin transfers shows how far they are)");
    std::fflush(stdout);
  } else if (!wait) {
    PrintJson(PlanJson(staged.plan));
  }
  if (wait) {
    return Wait(flags, asker.get(), number);
  }
  return kExitOk;
}

Result<int> TransfersCommand(const AdminFlags& flags) {
  KVFS_ASSIGN_OR_RETURN(const auto asker, Asker::Open(flags));
  KVFS_ASSIGN_OR_RETURN(const auto transfers, AskForTransfers(asker.get()));
  if (flags.json) {
    PrintJson(TransfersJson(transfers));
  } else {
    std::fputs(TransfersText(transfers).c_str(), stdout);
  }
  return kExitOk;
}

}  // namespace kvfs::tools
