// The layouts in force, as a client has them and as a node tells them.
#include "kvcore/client/ring_placement.h"

#include <gtest/gtest.h>

#include "kvcore/client/layout_placement.h"
#include "kvcore/client/told_layouts.h"
#include "kvcore/ring/plan.h"

namespace kvfs::client {
namespace {

using Shared = std::shared_ptr<const ring::Layout>;

Shared First() {
  return std::make_shared<const ring::Layout>(LayoutPlacement::Of({1, 2, 3}, 3, 3)->layout());
}
Shared After(const ring::Layout& layout) {
  ring::Change change;
  change.member = {.node = 4, .weight = 1, .datacentre = "here", .zone = ""};
  return std::make_shared<const ring::Layout>(ring::PlanChange(layout, {change})->next);
}
ring::RingView Transition(const Shared& first, const Shared& next) {
  ring::RingView view(first);
  view.Begin(next);
  return view;
}

TEST(RingPlacement, OnlyNewerLayoutsReplaceWhatIsInForce) {
  const Shared first = First();
  const Shared next = After(*first);
  RingPlacement placement{ring::RingView(first)};
  const uint64_t version = placement.Version();
  EXPECT_EQ(placement.ElectorateOf(0).sets.size(), 1u);
  EXPECT_FALSE(placement.Replace(ring::RingView(first)));
  EXPECT_TRUE(placement.Replace(Transition(first, next)));
  EXPECT_GT(placement.Version(), version);
  EXPECT_EQ(placement.ElectorateOf(0).sets.size(), 2u);
  EXPECT_EQ(placement.ElectorateOf(0).sets[0], first->PreferenceList(0));
  EXPECT_EQ(placement.ElectorateOf(0).version, placement.Version());
  EXPECT_TRUE(placement.Replace(ring::RingView(next)));
  EXPECT_FALSE(placement.Replace(Transition(first, next)));
  EXPECT_EQ(placement.HomesOf(0), next->PreferenceList(0));
}

TEST(ToldLayouts, ArriveAsTheyWereTold) {
  const Shared first = First();
  const Shared next = After(*first);
  for (const ring::RingView& view : {ring::RingView(first), Transition(first, next)}) {
    replication::pb::MembersReply reply;
    auto* const member = reply.add_members();
    member->set_node(4);
    member->set_address("host:1");
    TellLayouts(view, &reply);
    const auto told = ParseMembers(reply.SerializeAsString());
    ASSERT_TRUE(told.ok()) << told.status().ToString();
    EXPECT_EQ(told->view.stage(), view.stage());
    EXPECT_EQ(told->view.PreferenceList(0), view.PreferenceList(0));
    EXPECT_EQ(told->addresses.at(4), "host:1");
  }
}

TEST(ToldLayouts, WhatCannotBeIsRefused) {
  const Shared first = First();
  replication::pb::MembersReply reply;
  EXPECT_FALSE(ParseMembers(reply.SerializeAsString()).ok());
  EXPECT_FALSE(ParseMembers("nonsense").ok());
  reply.set_layout(ring::Encode(*first));
  reply.set_previous_layout(ring::Encode(*first));  // not the one before
  EXPECT_FALSE(ParseMembers(reply.SerializeAsString()).ok());
  reply.clear_previous_layout();
  EXPECT_TRUE(ParseMembers(reply.SerializeAsString()).ok());
  reply.add_members()->set_node(1);  // without an address
  EXPECT_FALSE(ParseMembers(reply.SerializeAsString()).ok());
}

}  // namespace
}  // namespace kvfs::client
