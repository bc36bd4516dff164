// A cluster and its items, as JSON and as text.
#include <algorithm>
#include <cstdio>

#include "kvcore/base/bytes.h"
#include "tools/admin/key_text.h"
#include "tools/admin/render.h"
#include "tools/common/size.h"
#include "tools/common/table.h"

namespace kvfs::tools {
namespace {

using nlohmann::json;

constexpr size_t kLineColumns = 80;
constexpr size_t kShownName = 12;
constexpr size_t kShownValue = 60;

std::string Count(uint64_t value) { return std::to_string(value); }

std::string Hash(uint64_t hash) {
  char text[20];
  std::snprintf(text, sizeof(text), "%016lx", static_cast<unsigned long>(hash));
  return text;
}

std::string Short(const std::string& name, size_t most) {
  return name.empty() ? "-" : name.size() <= most ? name : name.substr(0, most - 1) + "~";
}

std::string Percent(uint64_t part, uint64_t whole) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f %%",
                whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

// In lines that fit: the first begins with `first`, the later ones with two blanks.
std::string Wrapped(const std::string& first, const std::string& text) {
  std::string out;
  std::string line = first;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (line.size() + 1 + word.size() > kLineColumns) {
      out += line + "\n";
      line = "   " + word;
    } else {
      line += " " + word;
    }
    begin = end + 1;
  }
  return out + line + "\n";
}

// For people: cut, and nothing that a terminal would act on.
std::string ValueText(const std::string& value) {
  if (value.empty()) {
    return "(empty)";
  }
  const bool printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < 0x7f; });
  const std::string shown = Short(printable ? value : "0x" + ToHex(value), kShownValue);
  return shown + (value.size() > kShownValue ? " (" + Count(value.size()) + " bytes)" : "");
}

std::string DotText(const admin::KvSibling& sibling) {
  return "[" + Hash(sibling.epoch()) + ", " + Count(sibling.counter()) + "]";
}

}  // namespace

json NodeJson(const admin::NodeStatus& node) {
  json out = {
      {"node_id", node.node_id()},
      {"code", node.code()},
      {"state", node.state()},
      {"address", node.address()},
      {"zone", node.zone()},
      {"datacentre", node.datacentre()},
      {"weight", node.weight()},
      {"partitions", node.partitions()},
      {"primaries", node.primaries()},
      {"in_layout", node.in_layout()},
      {"incarnation", node.incarnation()},
      {"confirmers", std::vector<uint64_t>(node.confirmers().begin(), node.confirmers().end())},
      {"answers", node.answers()}};
  if (node.answers()) {
    out.update({{"version", node.version()},
                {"uptime_millis", node.uptime_millis()},
                {"capacity_bytes", node.capacity_bytes()},
                {"available_bytes", node.available_bytes()},
                {"used_bytes", node.used_bytes()},
                {"pending_hints", node.pending_hints()},
                {"unmerged_keys", node.unmerged_keys()},
                {"unmerged_is_more", node.unmerged_is_more()},
                {"read_only", node.read_only()},
                {"read_only_reason", node.read_only_reason()},
                {"suspect_partitions", node.suspect_partitions()},
                {"layout_number", node.layout_number()},
                {"layout_hash", Hash(node.layout_hash())}});
  }
  return out;
}

json ClusterJson(const admin::ClusterStatus& cluster) {
  json warnings = json::array();
  for (const auto& warning : cluster.warnings()) {
    warnings.push_back({{"kind", warning.kind()},
                        {"message", warning.message()},
                        {"advice", warning.advice()},
                        {"is_note", warning.is_note()}});
  }
  return {{"node_id", cluster.node_id()},
          {"layout_number", cluster.layout_number()},
          {"layout_hash", Hash(cluster.layout_hash())},
          {"partitions", cluster.partitions()},
          {"replicas", cluster.replicas()},
          {"without_majority", cluster.without_majority()},
          {"not_whole", cluster.not_whole()},
          {"warnings", warnings}};
}

json LayoutJson(const ring::Layout& layout) {
  json members = json::array();
  const auto counts = layout.PartitionsPerMember();
  for (size_t i = 0; i < counts.size(); ++i) {
    const ring::Member& member = layout.members()[i];
    members.push_back({{"node_id", member.node},
                       {"datacentre", member.datacentre},
                       {"zone", member.zone},
                       {"weight", member.weight},
                       {"partitions", counts[i]}});
  }
  json partitions = json::array();
  for (uint32_t partition = 0; partition < layout.partition_count(); ++partition) {
    partitions.push_back(layout.PreferenceList(partition));
  }
  return {{"number", layout.id().number},
          {"hash", layout.id().hash},
          {"replicas", layout.replica_count()},
          {"members", members},
          {"partitions", partitions}};
}

std::string ClusterText(const admin::StatusResponse& status) {
  const auto& cluster = status.cluster();
  const uint64_t all = uint64_t{cluster.partitions()} * cluster.replicas();
  std::string out = "layout " + Count(cluster.layout_number()) + " (" +
                    Hash(cluster.layout_hash()) + "), " + Count(cluster.partitions()) +
                    " partitions, " + Count(cluster.replicas()) + " replicas of each\n" +
                    "as node " + Count(cluster.node_id()) + " sees it:\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& node : status.nodes()) {
    const bool answers = node.answers();
    rows.push_back({Count(node.node_id()), node.code(), Short(node.zone(), kShownName),
                    Count(node.weight()), Count(node.partitions()), Percent(node.partitions(), all),
                    answers ? FormatSize(node.used_bytes()) : "?",
                    answers ? FormatSize(node.capacity_bytes()) : "?",
                    answers ? Count(node.unmerged_keys()) : "?"});
  }
  out += FormatTable(
      {"NODE", "ST", "ZONE", "WEIGHT", "PARTS", "SHARE", "USED", "CAPACITY", "UNMERGED"}, rows);
  out += "\n";
  if (cluster.not_whole() == 0) {
    out += "every partition has all its homes\n";
  } else {
    out += Count(cluster.not_whole()) + " partitions lack a home, " +
           Count(cluster.without_majority()) + " have no majority\n";
  }
  for (const auto& warning : cluster.warnings()) {
    out += "\n" + Wrapped(warning.is_note() ? "note:" : "WARNING:", warning.message()) +
           Wrapped("  what to do:", warning.advice());
  }
  return out;
}

json ToJson(const admin::MembersResponse& members) {
  json nodes = json::array();
  for (const auto& node : members.nodes()) {
    nodes.push_back(NodeJson(node));
  }
  return {{"nodes", nodes}};
}

std::string ToText(const admin::MembersResponse& members) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& node : members.nodes()) {
    std::string confirmers;
    for (const uint64_t confirmer : node.confirmers()) {
      confirmers += (confirmers.empty() ? "" : " ") + Count(confirmer);
    }
    rows.push_back({Count(node.node_id()), node.code(), node.address(),
                    Short(node.zone(), kShownName), Short(node.datacentre(), kShownName),
                    Count(node.weight()), Count(node.incarnation()),
                    confirmers.empty() ? "-" : confirmers});
  }
  return FormatTable(
      {"NODE", "ST", "ADDRESS", "ZONE", "DATACENTRE", "WEIGHT", "INCARN.", "NOT REACHED BY"}, rows);
}

json ToJson(const admin::ExplainKeyResponse& explain) {
  json homes = json::array();
  for (const auto& home : explain.homes()) {
    homes.push_back({{"node_id", home.node_id()},
                     {"answers", home.answers()},
                     {"error", home.error()},
                     {"epoch_number", home.epoch_number()},
                     {"epoch_node", home.epoch_node()},
                     {"seq", home.seq()},
                     {"behind", home.behind()}});
  }
  return {{"partition_key", ToHex(explain.pk())},
          {"place", explain.place()},
          {"partition", explain.partition()},
          {"homes", homes}};
}

std::string ToText(const admin::ExplainKeyResponse& explain) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& home : explain.homes()) {
    const bool holds = home.epoch_number() != 0;
    rows.push_back(
        {Count(home.node_id()),
         holds ? Count(home.epoch_number()) + " of node " + Count(home.epoch_node()) : "-",
         holds ? Count(home.seq()) : "-",
         !home.answers() ? "no answer: " + Short(home.error(), 40)
         : home.behind() ? "behind"
         : holds         ? "up to date"
                         : "nothing here"});
  }
  return "partition key " + FormatKey(explain.pk()) + ", partition " + Count(explain.partition()) +
         " (place " + Count(explain.place()) + ")\n\n" +
         FormatTable({"HOME", "EPOCH", "SEQ", "STATE"}, rows);
}

json ToJson(const admin::KvItem& item) {
  json siblings = json::array();
  for (const auto& sibling : item.siblings()) {
    siblings.push_back({{"value", sibling.value()},
                        {"value_hex", ToHex(sibling.value())},
                        {"tombstone", sibling.tombstone()},
                        {"epoch", sibling.epoch()},
                        {"counter", sibling.counter()},
                        {"time_millis", sibling.time() >> 16}});
  }
  return {{"ck", ToHex(item.ck())}, {"siblings", siblings}};
}

std::string ToText(const admin::KvItem& item) {
  // A lone value as it is, for pipes.
  if (item.siblings_size() == 1) {
    return item.siblings(0).value() + "\n";
  }
  std::string out = Count(static_cast<uint64_t>(item.siblings_size())) + " versions:\n";
  for (const auto& sibling : item.siblings()) {
    out += DotText(sibling) + " " + (sibling.tombstone() ? "deleted" : ValueText(sibling.value())) +
           "\n";
  }
  return out;
}

json ToJson(const admin::KvScanResponse& page) {
  json items = json::array();
  for (const auto& item : page.items()) {
    items.push_back(ToJson(item));
  }
  return {{"items", items}, {"more", page.more()}};
}

std::string ToText(const admin::KvScanResponse& page) {
  std::string out;
  for (const auto& item : page.items()) {
    for (const auto& sibling : item.siblings()) {
      out += FormatKey(item.ck()) + "  " +
             (sibling.tombstone() ? "deleted" : ValueText(sibling.value())) +
             (item.siblings_size() > 1 ? "  " + DotText(sibling) : "") + "\n";
    }
  }
  if (page.more()) {
    out += "... and more (--begin behind the last one, or a higher --limit)\n";
  }
  return out.empty() ? "no items\n" : out;
}

}  // namespace kvfs::tools
