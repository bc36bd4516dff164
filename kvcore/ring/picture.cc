// Layouts and plans as tables of text.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "kvcore/ring/plan.h"

namespace kvfs::ring {
namespace {

using Row = std::vector<std::string>;

// Columns as wide as their widest cell; the first `left` of them flush left, the others right.
std::string Table(const std::vector<Row>& rows, size_t left) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? "" : "  ") + (i < left ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string Percent(uint64_t part, uint64_t whole) {
  const uint64_t tenths = whole == 0 ? 0 : (part * 1000 + whole / 2) / whole;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

std::string Hex(uint64_t value) {
  std::array<char, 16> digits{};
  for (size_t i = digits.size(); i-- > 0; value >>= 4) {
    digits[i] = "0123456789abcdef"[value & 15];
  }
  return {digits.begin(), digits.end()};
}

std::string Head(const Layout& layout) {
  return "layout " + std::to_string(layout.id().number) + " (" + Hex(layout.id().hash) + "), " +
         std::to_string(layout.partition_count()) + " partitions, " +
         std::to_string(layout.replica_count()) + " replicas of each\n";
}

Row Place(const Member& member) {
  return {std::to_string(member.node), member.datacentre, member.zone.empty() ? "-" : member.zone};
}

}  // namespace

std::string Picture(const Layout& layout) {
  const auto counts = layout.PartitionsPerMember();
  std::vector<uint32_t> led(counts.size());
  for (uint32_t p = 0; p < layout.partition_count(); ++p) {
    ++led[layout.Replicas(p)[0]];
  }
  const uint64_t all = uint64_t{layout.partition_count()} * layout.replica_count();
  std::vector<Row> rows = {
      {"node", "datacentre", "zone", "weight", "partitions", "primary of", "of all"}};
  for (size_t i = 0; i < counts.size(); ++i) {
    const Member& member = layout.members()[i];
    Row row = Place(member);
    row.insert(row.end(), {std::to_string(member.weight), std::to_string(counts[i]),
                           std::to_string(led[i]), Percent(counts[i], all)});
    rows.push_back(std::move(row));
  }
  return Head(layout) + Table(rows, 3);
}

std::string Picture(const Layout& current, const Plan& plan) {
  std::map<NodeId, std::pair<uint32_t, uint32_t>> counts;  // before, after
  std::map<NodeId, Row> places;
  for (const Layout* layout : {&current, &plan.next}) {
    const auto per_member = layout->PartitionsPerMember();
    for (size_t i = 0; i < per_member.size(); ++i) {
      const Member& member = layout->members()[i];
      auto& [before, after] = counts[member.node];
      (layout == &current ? before : after) = per_member[i];
      places[member.node] = Place(member);
    }
  }
  std::vector<Row> rows = {{"node", "datacentre", "zone", "now", "then", "change"}};
  for (const auto& [node, count] : counts) {
    const int64_t change = int64_t{count.second} - count.first;
    std::string what = (change > 0 ? "+" : "") + std::to_string(change);
    if (current.FindMember(node) == nullptr) {
      what = "joins, " + what;
    } else if (plan.next.FindMember(node) == nullptr) {
      what = "leaves, " + what;
    }
    Row row = places[node];
    row.insert(row.end(), {std::to_string(count.first), std::to_string(count.second), what});
    rows.push_back(std::move(row));
  }
  std::string out = "from " + Head(current) + "to   " + Head(plan.next) + Table(rows, 3);
  if (plan.transfers.empty()) {
    return out + "no partition moves\n";
  }
  std::map<std::pair<NodeId, NodeId>, uint32_t> streams;
  for (const Transfer& transfer : plan.transfers) {
    ++streams[{transfer.from, transfer.to}];
  }
  out += "\n";
  std::vector<Row> sent = {{"from", "to", "partitions"}};
  for (const auto& [ends, count] : streams) {
    sent.push_back(
        {std::to_string(ends.first), std::to_string(ends.second), std::to_string(count)});
  }
  const uint64_t all = uint64_t{plan.next.partition_count()} * plan.next.replica_count();
  return out + Table(sent, 2) + std::to_string(plan.transfers.size()) + " of " +
         std::to_string(all) + " replicas move (" + Percent(plan.transfers.size(), all) + ")\n";
}

}  // namespace kvfs::ring
