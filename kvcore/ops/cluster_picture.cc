#include "kvcore/ops/cluster_picture.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace kvfs::ops {
namespace {

using admin::NodeStatus;
using membership::State;

// Of the capacity; with less left somebody should look.
constexpr uint64_t kLittleSpacePart = 10;

struct StateNames {
  const char* word;
  char letter;
};
StateNames NamesOf(State state) {
  switch (state) {
    case State::kAlive:
      return {"up", 'U'};
    case State::kSuspect:
      return {"suspect", 'S'};
    case State::kDead:
      return {"down", 'D'};
    case State::kLeft:
      return {"left", 'L'};
  }
  return {"?", '?'};
}

std::string Count(uint64_t number, const std::string& one) {
  return std::to_string(number) + " " + one + (number == 1 ? "" : "s");
}

std::string Name(const NodeStatus& line) {
  std::string name = "node " + std::to_string(line.node_id());
  if (!line.zone().empty()) {
    name += " (zone " + line.zone() + ")";
  }
  return name;
}

class Warnings {
 public:
  explicit Warnings(admin::ClusterStatus* status) : status_(status) {}
  void Add(const std::string& kind, const std::string& message, const std::string& advice) {
    admin::Warning* const warning = status_->add_warnings();
    warning->set_kind(kind);
    warning->set_message(message);
    warning->set_advice(advice);
    warning->set_is_note(kind == "few-nodes" || kind == "few-zones" || kind == "joining" ||
                         kind == "changing-layout");
  }

 private:
  admin::ClusterStatus* const status_;
};

void WarnOfNode(const NodeStatus& line, const ring::LayoutId& layout, Warnings* warnings) {
  if (!line.in_layout()) {
    warnings->Add("joining", Name(line) + " has come, but keeps nothing",
                  "`kvfs-admin join " + std::to_string(line.node_id()) + "` lets it keep data");
  }
  if (line.state() != "up") {
    const std::string what = line.state() == "suspect" ? " does not answer"
                             : line.state() == "left"  ? " has been stopped"
                                                       : " is dead: others cannot reach it either";
    warnings->Add("node-down", Name(line) + what,
                  "start kvfsd there again, or look at the network between the nodes");
    return;
  }
  if (!line.answers()) {
    warnings->Add("silent", Name(line) + " is there but does not answer requests",
                  "look at its log, and at how busy it is");
    return;
  }
  if (line.layout_number() != layout.number) {
    warnings->Add("changing-layout",
                  Name(line) + " goes by layout " + std::to_string(line.layout_number()) +
                      ", this one by " + std::to_string(layout.number),
                  "nothing, while the members change: `transfers` shows how far that is");
  } else if (line.layout_hash() != layout.hash) {
    warnings->Add("other-layout",
                  Name(line) + " was given other members, zones, weights or replicas",
                  "start it again with the same --members as the others");
  }
  if (line.read_only()) {
    warnings->Add("read-only", Name(line) + " writes nothing: " + line.read_only_reason(),
                  "look at its disk, then start it again");
  }
  if (line.suspect_partitions() > 0) {
    warnings->Add("rebuilding",
                  Name(line) + " lost power and has yet to rebuild " +
                      Count(line.suspect_partitions(), "partition") + " from the others",
                  "wait; the other homes of them must be up");
  }
  if (line.unmerged_keys() > 0) {
    warnings->Add("unmerged",
                  Name(line) + " holds " + (line.unmerged_is_more() ? "at least " : "") +
                      Count(line.unmerged_keys(), "partition key") +
                      " written without a majority and not merged yet",
                  "bring enough nodes back; it then happens by itself, within seconds");
  }
  if (line.capacity_bytes() > 0 &&
      line.available_bytes() < line.capacity_bytes() / kLittleSpacePart) {
    warnings->Add("disk-full", Name(line) + " has little space left",
                  "delete files, or give it more space");
  }
}

void WarnOfPlaces(const ring::Layout& layout, Warnings* warnings) {
  for (const ring::Datacentre& datacentre : layout.spec().datacentres) {
    std::set<std::string> zones;
    uint64_t nodes = 0;
    for (const ring::Member& member : layout.members()) {
      if (member.datacentre == datacentre.name && member.weight > 0) {
        zones.insert(member.zone);
        ++nodes;
      }
    }
    if (nodes < datacentre.replication_factor) {
      warnings->Add("few-nodes",
                    Count(nodes, "node") + " in datacentre " + datacentre.name + " for " +
                        Count(datacentre.replication_factor, "replica"),
                    "more nodes make it safer; there is only one replica on each");
    } else if (zones.size() > 1 && zones.size() < datacentre.replication_factor) {
      warnings->Add("few-zones",
                    Count(zones.size(), "zone") + " in datacentre " + datacentre.name + " for " +
                        Count(datacentre.replication_factor, "replica"),
                    "a zone that fails takes more than one replica of some partitions");
    }
  }
}

}  // namespace

std::vector<NodeStatus> DescribeNodes(const ring::Layout& layout, const membership::View& view) {
  std::map<env::NodeId, NodeStatus> lines;
  const auto counts = layout.PartitionsPerMember();
  for (size_t i = 0; i < counts.size(); ++i) {
    const ring::Member& member = layout.members()[i];
    NodeStatus& line = lines[member.node];
    line.set_zone(member.zone);
    line.set_datacentre(member.datacentre);
    line.set_weight(member.weight);
    line.set_partitions(counts[i]);
    line.set_in_layout(true);
  }
  for (uint32_t partition = 0; partition < layout.partition_count(); ++partition) {
    NodeStatus& line = lines[layout.members()[layout.Replicas(partition)[0]].node];
    line.set_primaries(line.primaries() + 1);
  }
  for (const auto& [node, status] : view.peers()) {
    NodeStatus& line = lines[node];
    line.set_address(status.peer.address);
    line.set_incarnation(status.peer.incarnation);
    if (!line.in_layout()) {
      line.set_zone(status.peer.zone);
      line.set_datacentre(status.peer.datacentre);
    }
    for (const env::NodeId confirmer : status.confirmers) {
      line.add_confirmers(confirmer);
    }
  }
  std::vector<NodeStatus> result;
  for (auto& [node, line] : lines) {
    const StateNames names = NamesOf(view.StateOf(node));
    const char place = !line.in_layout() ? 'J' : line.weight() == 0 ? 'C' : 'N';
    line.set_node_id(node);
    line.set_state(names.word);
    line.set_code(std::string{names.letter, place});
    result.push_back(std::move(line));
  }
  return result;
}

void AddReport(const NodeStatus& report, NodeStatus* line) {
  line->set_answers(true);
  line->set_version(report.version());
  line->set_uptime_millis(report.uptime_millis());
  line->set_capacity_bytes(report.capacity_bytes());
  line->set_available_bytes(report.available_bytes());
  line->set_used_bytes(report.used_bytes());
  line->set_pending_hints(report.pending_hints());
  line->set_unmerged_keys(report.unmerged_keys());
  line->set_unmerged_is_more(report.unmerged_is_more());
  line->set_read_only(report.read_only());
  line->set_read_only_reason(report.read_only_reason());
  line->set_suspect_partitions(report.suspect_partitions());
  line->set_layout_number(report.layout_number());
  line->set_layout_hash(report.layout_hash());
}

admin::ClusterStatus Summarise(const ring::Layout& layout, const std::vector<NodeStatus>& lines) {
  admin::ClusterStatus status;
  status.set_layout_number(layout.id().number);
  status.set_layout_hash(layout.id().hash);
  status.set_partitions(layout.partition_count());
  status.set_replicas(static_cast<uint32_t>(layout.replica_count()));
  std::set<env::NodeId> away;
  for (const NodeStatus& line : lines) {
    if (line.state() != "up" || !line.answers()) {
      away.insert(line.node_id());
    }
  }
  uint32_t without_majority = 0;
  uint32_t not_whole = 0;
  for (uint32_t partition = 0; partition < layout.partition_count(); ++partition) {
    const auto homes = layout.PreferenceList(partition);
    const auto gone = static_cast<size_t>(std::count_if(
        homes.begin(), homes.end(), [&](env::NodeId node) { return away.count(node) > 0; }));
    without_majority += homes.size() - gone <= homes.size() / 2 ? 1 : 0;
    not_whole += gone > 0 ? 1 : 0;
  }
  status.set_without_majority(without_majority);
  status.set_not_whole(not_whole);
  Warnings warnings(&status);
  if (without_majority > 0) {
    warnings.Add("no-majority",
                 std::to_string(without_majority) + " of " +
                     Count(layout.partition_count(), "partition") +
                     " have no majority: most of their homes are away",
                 "bring the nodes named below back; what is written meanwhile is merged then");
  }
  for (const NodeStatus& line : lines) {
    WarnOfNode(line, layout.id(), &warnings);
  }
  WarnOfPlaces(layout, &warnings);
  return status;
}

}  // namespace kvfs::ops
