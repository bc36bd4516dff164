#include "kvcore/ops/cluster_picture.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kvcore/client/layout_placement.h"

namespace kvfs::ops {
namespace {

using admin::NodeStatus;
using membership::State;

class ClusterPicture : public ::testing::Test {
 protected:
  // Zones of the nodes 1, 2, ...
  explicit ClusterPicture(std::vector<std::string> zones = {"a", "b", "c"}) {
    std::vector<ring::Member> members;
    for (const std::string& zone : zones) {
      ring::Member member;
      member.node = members.size() + 1;
      member.zone = zone;
      membership::PeerStatus& status = view_.Put(member.node);
      status.peer.node = member.node;
      status.peer.address = "h:" + std::to_string(member.node);
      members.push_back(std::move(member));
    }
    layout_.emplace(*client::LayoutPlacement::Of(members, 3, 3));
  }
  const ring::Layout& layout() const { return layout_->layout(); }

  // As if each that is up had reported what is good.
  std::vector<NodeStatus> Lines() {
    auto lines = DescribeNodes(layout(), view_);
    for (NodeStatus& line : lines) {
      if (line.state() == "up") {
        NodeStatus report;
        report.set_capacity_bytes(100);
        report.set_available_bytes(50);
        report.set_layout_number(layout().id().number);
        report.set_layout_hash(layout().id().hash);
        AddReport(report, &line);
      }
    }
    return lines;
  }
  static std::vector<std::string> Kinds(const admin::ClusterStatus& status) {
    std::vector<std::string> kinds;
    for (const auto& warning : status.warnings()) {
      EXPECT_FALSE(warning.message().empty());
      EXPECT_FALSE(warning.advice().empty());
      kinds.push_back(warning.kind());
    }
    return kinds;
  }

  membership::View view_;
  std::optional<client::LayoutPlacement> layout_;
};

TEST_F(ClusterPicture, WhereAllIsWellNothingIsSaid) {
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  uint32_t primaries = 0;
  for (const NodeStatus& line : lines) {
    EXPECT_EQ(line.code(), "UN");
    EXPECT_EQ(line.partitions(), 8u);
    primaries += line.primaries();
  }
  EXPECT_EQ(primaries, 8u);
  const auto status = Summarise(layout(), lines);
  EXPECT_EQ(status.replicas(), 3u);
  EXPECT_EQ(status.not_whole(), 0u);
  EXPECT_TRUE(Kinds(status).empty());
}

TEST_F(ClusterPicture, OneAwayIsNamedAndTwoHaveNoMajority) {
  view_.Put(3).state = State::kDead;
  view_.Put(3).confirmers = {1, 2};
  auto lines = Lines();
  EXPECT_EQ(lines[2].code(), "DN");
  EXPECT_EQ(lines[2].confirmers_size(), 2);
  auto status = Summarise(layout(), lines);
  EXPECT_EQ(status.not_whole(), 8u);
  EXPECT_EQ(status.without_majority(), 0u);
  EXPECT_EQ(Kinds(status), (std::vector<std::string>{"node-down"}));

  view_.Put(2).state = State::kSuspect;
  lines = Lines();
  EXPECT_EQ(lines[1].code(), "SN");
  status = Summarise(layout(), lines);
  EXPECT_EQ(status.without_majority(), 8u);
  EXPECT_EQ(Kinds(status), (std::vector<std::string>{"no-majority", "node-down", "node-down"}));
}

TEST_F(ClusterPicture, WhoIsThereButSilentCountsAsAway) {
  auto lines = Lines();
  lines[0].set_answers(false);
  const auto status = Summarise(layout(), lines);
  EXPECT_EQ(status.not_whole(), 8u);
  EXPECT_EQ(Kinds(status), (std::vector<std::string>{"silent"}));
}

TEST_F(ClusterPicture, AChangeOfTheMembersIsNoTrouble) {
  auto lines = Lines();
  lines[0].set_layout_number(layout().id().number + 1);
  lines[0].set_layout_hash(layout().id().hash + 1);
  const auto status = Summarise(layout(), lines);
  EXPECT_EQ(Kinds(status), (std::vector<std::string>{"changing-layout"}));
  EXPECT_TRUE(status.warnings(0).is_note());
}

TEST_F(ClusterPicture, TroubleThatNodesReport) {
  auto lines = Lines();
  lines[0].set_layout_hash(layout().id().hash + 1);
  lines[1].set_read_only(true);
  lines[1].set_available_bytes(9);
  lines[2].set_suspect_partitions(4);
  lines[2].set_unmerged_keys(1);
  EXPECT_EQ(Kinds(Summarise(layout(), lines)),
            (std::vector<std::string>{"other-layout", "read-only", "disk-full", "rebuilding",
                                      "unmerged"}));
}

TEST_F(ClusterPicture, WhoHasComeButIsNoMember) {
  membership::PeerStatus& status = view_.Put(9);
  status.peer.node = 9;
  status.peer.zone = "d";
  const auto lines = Lines();
  EXPECT_EQ(lines[3].code(), "UJ");
  EXPECT_EQ(lines[3].zone(), "d");
  const auto summary = Summarise(layout(), lines);
  EXPECT_EQ(summary.not_whole(), 0u);
  EXPECT_EQ(Kinds(summary), (std::vector<std::string>{"joining"}));
  EXPECT_TRUE(summary.warnings(0).is_note());
}

class TwoZones : public ClusterPicture {
 protected:
  TwoZones() : ClusterPicture({"a", "b", "b"}) {}
};

TEST_F(TwoZones, AreFewForThreeReplicas) {
  const auto status = Summarise(layout(), Lines());
  EXPECT_EQ(Kinds(status), (std::vector<std::string>{"few-zones"}));
  EXPECT_TRUE(status.warnings(0).is_note());
}

class OneNode : public ClusterPicture {
 protected:
  OneNode() : ClusterPicture({""}) {}
};

TEST_F(OneNode, IsFew) {
  EXPECT_EQ(Kinds(Summarise(layout(), Lines())), (std::vector<std::string>{"few-nodes"}));
}

}  // namespace
}  // namespace kvfs::ops
