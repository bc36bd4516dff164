// One test for each rule; each fails without it.
#include "kvcore/membership/membership.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kvcore/membership/cluster_test_support.h"
#include "kvcore/membership/suspicion.h"

namespace kvfs::membership {
namespace {

using test::Cluster;
using test::kSecond;
using test::MakePeer;
using Kind = Message::Kind;
using EventKind = Membership::Event::Kind;

Rumor Suspicion(Peer peer, std::vector<NodeId> confirmers) {
  return {.peer = std::move(peer), .state = State::kSuspect, .confirmers = std::move(confirmers)};
}
Message Ping(Peer from, NodeId to, std::vector<Rumor> rumors = {}) {
  return {.kind = Kind::kPing,
          .sequence = 77,
          .subject = to,
          .sender = std::move(from),
          .rumors = std::move(rumors)};
}

// Node 1, started, which knows nodes 2 to `last`.
std::unique_ptr<Membership> NodeOne(NodeId last, Options options = {}) {
  auto core = std::make_unique<Membership>(
      Peer{.node = 1, .incarnation = 4, .address = "n1:1", .datacentre = "", .zone = ""}, options,
      1);
  std::vector<Peer> known;
  for (NodeId node = 2; node <= last; ++node) {
    known.push_back(MakePeer(node));
  }
  (void)core->Start(known, {}, 0);
  return core;
}

bool Has(const Membership::Output& out, EventKind kind, NodeId node) {
  return std::any_of(out.events.begin(), out.events.end(),
                     [&](const auto& e) { return e.kind == kind && e.node == node; });
}

// Fed with ticks only, until `end`; everything that came out.
Membership::Output TickUntil(Membership* core, int64_t from, int64_t end) {
  Membership::Output all;
  for (int64_t now = from; now <= end; now += 10'000) {
    auto out = core->Tick(now);
    std::move(out.events.begin(), out.events.end(), std::back_inserter(all.events));
    std::move(out.messages.begin(), out.messages.end(), std::back_inserter(all.messages));
  }
  return all;
}

// ---- incarnations ----------------------------------------------------------

TEST(Membership, EveryStartHasANewIncarnationMadeDurableFirst) {
  Membership core(Peer{.node = 1, .incarnation = 4, .address = "n1:1"}, {}, 1);
  const auto out = core.Start({}, {"n9:1"}, 0);
  EXPECT_EQ(out.persist_incarnation, 5u);
  ASSERT_EQ(out.messages.size(), 1u);
  EXPECT_EQ(out.messages[0].address, "n9:1");
  EXPECT_EQ(out.messages[0].message.sender.incarnation, 5u);
}

TEST(Membership, RefutesByAHigherIncarnationMadeDurableFirst) {
  auto core = NodeOne(3);
  Peer me = core->self();
  auto out = core->Step(Ping(MakePeer(2), 1, {Suspicion(me, {2})}), 1000);
  EXPECT_EQ(out.persist_incarnation, 6u);
  ASSERT_EQ(out.messages.size(), 1u);
  EXPECT_EQ(out.messages[0].message.kind, Kind::kAck);
  EXPECT_EQ(out.messages[0].message.sender.incarnation, 6u);
  // The same again is old news; a rumour that leads is overtaken.
  EXPECT_FALSE(core->Step(Ping(MakePeer(2), 1, {Suspicion(me, {2})}), 2000).persist_incarnation);
  me.incarnation = 40;
  EXPECT_EQ(core->Step(Ping(MakePeer(2), 1, {Suspicion(me, {2})}), 3000).persist_incarnation, 41u);
}

TEST(Membership, OnlyAHigherIncarnationClearsASuspect) {
  auto core = NodeOne(4);
  auto out = core->Step(Ping(MakePeer(2), 1, {Suspicion(MakePeer(3), {2})}), 1000);
  EXPECT_TRUE(Has(out, EventKind::kSuspect, 3));
  Peer three = MakePeer(3);
  (void)core->Step(Ping(three, 1), 2000);
  EXPECT_EQ(core->view().StateOf(3), State::kSuspect);
  three.incarnation = 2;
  out = core->Step(Ping(three, 1), 3000);
  EXPECT_TRUE(Has(out, EventKind::kAlive, 3));
  EXPECT_TRUE(core->view().IsAlive(3));
  // And the old suspicion says nothing about the new incarnation.
  (void)core->Step(Ping(MakePeer(2), 1, {Suspicion(MakePeer(3), {2, 4})}), 4000);
  EXPECT_TRUE(core->view().IsAlive(3));
}

TEST(Membership, WhoIsSuspectedHearsOfItFromEverybodyWhoAnswers) {
  auto core = NodeOne(3);
  (void)core->Step(Ping(MakePeer(2), 1, {Suspicion(MakePeer(3), {2})}), 1000);
  // Long after the rumour has been told often enough.
  for (int i = 0; i < 100; ++i) {
    (void)core->Step(Ping(MakePeer(2), 1), 1001 + i);
  }
  const auto out = core->Step(Ping(MakePeer(3), 1), 2000);
  ASSERT_FALSE(out.messages.empty());
  ASSERT_FALSE(out.messages[0].message.rumors.empty());
  EXPECT_EQ(out.messages[0].message.rumors[0], Suspicion(MakePeer(3), {2}));
}

// ---- confirmation ----------------------------------------------------------

TEST(IsConfirmed, TakesTwo) {
  View view;
  for (const NodeId node : {1, 2, 3, 4}) {
    view.Put(node).peer = MakePeer(node);
  }
  EXPECT_FALSE(IsConfirmed(4, {}, view));
  EXPECT_FALSE(IsConfirmed(4, {1}, view));
  EXPECT_TRUE(IsConfirmed(4, {1, 2}, view));
  EXPECT_FALSE(IsConfirmed(4, {1, 9}, view)) << "a stranger has no word";
  EXPECT_FALSE(IsConfirmed(4, {1, 4}, view)) << "nor has the suspect";
  view.Put(2).state = State::kSuspect;
  EXPECT_FALSE(IsConfirmed(4, {1, 2}, view)) << "nor who is suspect himself";
}

TEST(IsConfirmed, OneIsEnoughWhereThereIsNobodyElse) {
  View view;
  view.Put(1).peer = MakePeer(1);
  view.Put(2).peer = MakePeer(2);
  EXPECT_TRUE(IsConfirmed(2, {1}, view));
  view.Put(3).peer = MakePeer(3);
  view.Put(3).state = State::kDead;
  EXPECT_FALSE(IsConfirmed(2, {1}, view)) << "the dead are members still";
  view.Put(3).state = State::kLeft;
  EXPECT_TRUE(IsConfirmed(2, {1}, view));
}

TEST(IsConfirmed, TakesTwoZonesWhereThereAreTwo) {
  View view;
  view.Put(1).peer = MakePeer(1, "a");
  view.Put(2).peer = MakePeer(2, "a");
  view.Put(3).peer = MakePeer(3, "b");
  view.Put(4).peer = MakePeer(4, "b");
  EXPECT_FALSE(IsConfirmed(4, {1, 2}, view));
  EXPECT_TRUE(IsConfirmed(4, {1, 3}, view));
  view.Put(3).state = State::kDead;
  EXPECT_TRUE(IsConfirmed(4, {1, 2}, view)) << "nobody in the other zone could say so";
}

TEST(Suspicion, TheMoreConfirmTheShorter) {
  const Options options;
  EXPECT_EQ(SuspicionMicros(options, 10, 1), 30 * kSecond);
  EXPECT_EQ(SuspicionMicros(options, 10, 3), 5 * kSecond);
  EXPECT_GT(SuspicionMicros(options, 10, 1), SuspicionMicros(options, 10, 2));
  EXPECT_GT(SuspicionMicros(options, 10, 2), SuspicionMicros(options, 10, 3));
  EXPECT_EQ(SuspicionMicros(options, 1000, 3), 15 * kSecond);
}

TEST(Suspicion, AFullListStillTakesAnotherZone) {
  View view;
  std::vector<NodeId> confirmers;
  for (NodeId node = 1; node <= kMaxConfirmers; ++node) {
    view.Put(node).peer = MakePeer(node, "a");
    EXPECT_TRUE(MergeConfirmers({node}, view, &confirmers));
  }
  view.Put(20).peer = MakePeer(20, "a");
  view.Put(21).peer = MakePeer(21, "b");
  EXPECT_FALSE(MergeConfirmers({20}, view, &confirmers));
  EXPECT_TRUE(MergeConfirmers({21}, view, &confirmers));
  EXPECT_EQ(confirmers.size(), kMaxConfirmers);
  EXPECT_FALSE(MergeConfirmers({21}, view, &confirmers));
}

TEST(Membership, NobodyDiesOnOneWord) {
  Cluster cluster(1);
  for (NodeId node = 1; node <= 5; ++node) {
    cluster.Add(node);
  }
  cluster.StartAll();
  // Nodes 1 and 5 cannot reach each other, also not through the others: they lie about nothing.
  auto core = NodeOne(5);
  auto out = core->Step(Ping(MakePeer(2), 1, {Suspicion(MakePeer(5), {2})}), 0);
  for (int64_t now = 0; now < 60 * kSecond; now += kSecond / 10) {
    // All answer but node 5, which is not asked: only 2 suspects it.
    out = core->Tick(now);
    for (const auto& envelope : out.messages) {
      if (envelope.message.kind == Kind::kPing) {
        Message ack{.kind = Kind::kAck,
                    .sequence = envelope.message.sequence,
                    .subject = envelope.to,
                    .sender = core->view().Find(envelope.to)->peer,
                    .rumors = {}};
        (void)core->Step(ack, now);
      }
    }
  }
  EXPECT_EQ(core->view().StateOf(5), State::kSuspect);
  (void)core->Step(Ping(MakePeer(3), 1, {Suspicion(MakePeer(5), {3})}), 60 * kSecond);
  out = core->Tick(61 * kSecond);
  EXPECT_TRUE(Has(out, EventKind::kDead, 5));
}

TEST(Membership, ACrashIsConfirmedByAll) {
  Cluster cluster(2);
  for (NodeId node = 1; node <= 8; ++node) {
    cluster.Add(node, node % 2 == 0 ? "a" : "b");
  }
  cluster.StartAll();
  cluster.Run(5 * kSecond);
  cluster.Crash(3);
  EXPECT_TRUE(cluster.RunUntil(30 * kSecond, [&] { return cluster.AllSee(3, State::kDead); }));
  EXPECT_EQ(cluster.deaths(), 7u);
}

TEST(Membership, OfTwoTheOneThatIsLeftDecidesAlone) {
  Cluster cluster(3);
  cluster.Add(1);
  cluster.Add(2);
  cluster.StartAll();
  cluster.Run(3 * kSecond);
  cluster.Crash(2);
  EXPECT_TRUE(cluster.RunUntil(60 * kSecond, [&] { return cluster.AllSee(2, State::kDead); }));
}

TEST(Membership, AZoneThatIsCutOffIsSuspectNotDead) {
  Cluster cluster(4);
  for (NodeId node = 1; node <= 8; ++node) {
    cluster.Add(node, node <= 4 ? "a" : "b");
  }
  cluster.StartAll();
  cluster.Run(3 * kSecond);
  cluster.SetCut([](NodeId from, NodeId to) { return (from <= 4) != (to <= 4); });
  cluster.Run(120 * kSecond);
  EXPECT_EQ(cluster.deaths(), 0u);
  EXPECT_EQ(cluster.At(1).view().StateOf(5), State::kSuspect);
  EXPECT_EQ(cluster.At(5).view().StateOf(1), State::kSuspect);
  cluster.SetCut({});
  EXPECT_TRUE(cluster.RunUntil(30 * kSecond, [&] {
    bool all = true;
    for (NodeId node = 1; node <= 8; ++node) {
      all = all && cluster.AllSee(node, State::kAlive);
    }
    return all;
  }));
}

// ---- probing ---------------------------------------------------------------

TEST(Membership, ABrokenLinkIsGoneAroundWithHelpers) {
  const auto run = [](int helpers) {
    Options options;
    options.helpers = helpers;
    Cluster cluster(5, options);
    for (NodeId node = 1; node <= 5; ++node) {
      cluster.Add(node);
    }
    cluster.StartAll();
    cluster.SetCut([](NodeId from, NodeId to) { return from + to == 3; });  // 1 and 2
    int suspected = 0;
    for (int i = 0; i < 300; ++i) {
      cluster.Run(kSecond / 5);
      suspected += cluster.AllSee(2, State::kAlive) && cluster.AllSee(1, State::kAlive) ? 0 : 1;
    }
    return suspected;
  };
  EXPECT_EQ(run(3), 0);
  EXPECT_GT(run(0), 0);
}

TEST(Membership, AOneWayLinkKillsNobody) {
  Cluster cluster(6);
  for (NodeId node = 1; node <= 6; ++node) {
    cluster.Add(node);
  }
  cluster.StartAll();
  cluster.SetCut([](NodeId from, NodeId to) { return from == 1 && to <= 3; });
  cluster.Run(120 * kSecond);
  EXPECT_EQ(cluster.deaths(), 0u);
}

// A node that hears little thinks ill of itself before it thinks ill of others.
TEST(Membership, ADeafNodeSuspectsItself) {
  Cluster cluster(7);
  for (NodeId node = 1; node <= 8; ++node) {
    cluster.Add(node);
  }
  cluster.StartAll();
  cluster.Run(5 * kSecond);
  EXPECT_EQ(cluster.At(1).local_health(), 0);
  cluster.SetCut([](NodeId, NodeId to) { return to == 1; });
  cluster.Run(10 * kSecond);
  EXPECT_GE(cluster.At(1).local_health(), 3);
  cluster.SetCut({});
  cluster.Run(60 * kSecond);
  EXPECT_EQ(cluster.At(1).local_health(), 0);
}

// Helpers say that they have got no answer either, so a dead member does not look like a deaf self.
TEST(Membership, ADeadMemberDoesNotHurtTheOwnHealth) {
  Cluster cluster(8);
  for (NodeId node = 1; node <= 6; ++node) {
    cluster.Add(node);
  }
  cluster.StartAll();
  cluster.Run(3 * kSecond);
  cluster.Crash(6);
  for (int i = 0; i < 100; ++i) {
    cluster.Run(kSecond / 5);
    for (NodeId node = 1; node <= 5; ++node) {
      ASSERT_EQ(cluster.At(node).local_health(), 0);
    }
  }
}

TEST(Membership, TheDeadAreProbedSoAHealedPartitionMerges) {
  Cluster cluster(9);
  for (NodeId node = 1; node <= 12; ++node) {
    cluster.Add(node);
  }
  cluster.StartAll();
  cluster.Run(3 * kSecond);
  cluster.SetCut([](NodeId from, NodeId to) { return (from <= 6) != (to <= 6); });
  ASSERT_TRUE(cluster.RunUntil(120 * kSecond, [&] {
    bool all = true;
    for (NodeId node = 1; node <= 12; ++node) {
      for (NodeId other = 1; other <= 12; ++other) {
        const bool cut = (node <= 6) != (other <= 6);
        all = all && (!cut || cluster.At(node).view().StateOf(other) == State::kDead);
      }
    }
    return all;
  }));
  cluster.SetCut({});
  EXPECT_TRUE(cluster.RunUntil(60 * kSecond, [&] {
    bool all = true;
    for (NodeId node = 1; node <= 12; ++node) {
      all = all && cluster.AllSee(node, State::kAlive);
    }
    return all;
  }));
}

// ---- coming and going ------------------------------------------------------

TEST(Membership, OneSeedIsEnoughToKnowAndBeKnown) {
  Cluster cluster(10);
  for (NodeId node = 1; node <= 10; ++node) {
    cluster.Add(node);
  }
  cluster.StartOne(1, {}, {});
  for (NodeId node = 2; node <= 10; ++node) {
    cluster.StartOne(node, {}, {"n1:1"});
  }
  EXPECT_TRUE(cluster.RunUntil(20 * kSecond, [&] {
    bool all = true;
    for (NodeId node = 1; node <= 10; ++node) {
      all = all && cluster.AllSee(node, State::kAlive);
    }
    return all;
  }));
}

TEST(Membership, ASeedThatIsAwayIsAskedAgain) {
  Cluster cluster(11);
  cluster.Add(1);
  cluster.Add(2);
  cluster.StartOne(2, {}, {"n1:1"});
  cluster.Run(15 * kSecond);
  EXPECT_EQ(cluster.At(2).view().peers().size(), 1u);
  cluster.StartOne(1, {}, {});
  EXPECT_TRUE(cluster.RunUntil(15 * kSecond, [&] { return cluster.At(2).view().IsAlive(1); }));
}

TEST(Membership, WhoLeavesIsNotSuspectedAndMayComeBack) {
  Cluster cluster(12);
  for (NodeId node = 1; node <= 6; ++node) {
    cluster.Add(node);
  }
  cluster.StartAll();
  cluster.Run(3 * kSecond);
  cluster.Leave(4);
  cluster.Run(kSecond / 10);
  cluster.Crash(4);
  EXPECT_TRUE(cluster.RunUntil(10 * kSecond, [&] { return cluster.AllSee(4, State::kLeft); }));
  cluster.Run(60 * kSecond);
  EXPECT_TRUE(cluster.AllSee(4, State::kLeft));
  EXPECT_EQ(cluster.deaths(), 0u);
  cluster.StartOne(4, {}, {"n1:1"});
  EXPECT_TRUE(cluster.RunUntil(20 * kSecond, [&] { return cluster.AllSee(4, State::kAlive); }));
}

TEST(Membership, ACrashedNodeComesBackUnderAHigherIncarnation) {
  Cluster cluster(13);
  for (NodeId node = 1; node <= 4; ++node) {
    cluster.Add(node);
  }
  cluster.StartAll();
  cluster.Run(3 * kSecond);
  cluster.Crash(2);
  ASSERT_TRUE(cluster.RunUntil(60 * kSecond, [&] { return cluster.AllSee(2, State::kDead); }));
  cluster.StartOne(2, {}, {"n1:1"});
  EXPECT_TRUE(cluster.RunUntil(20 * kSecond, [&] { return cluster.AllSee(2, State::kAlive); }));
  EXPECT_GE(cluster.Disk(2), 2u);
}

TEST(Membership, WhatIsForSomebodyElseIsNotAnswered) {
  auto core = NodeOne(3);
  EXPECT_TRUE(core->Step(Ping(MakePeer(2), 9), 1000).messages.empty());
  EXPECT_EQ(core->Step(Ping(MakePeer(2), 1), 1000).messages.size(), 1u);
}

TEST(Membership, AnImpostorIsReported) {
  auto core = NodeOne(3);
  Peer other = core->self();
  EXPECT_TRUE(core->Step(Ping(other, 1), 1000).events.empty()) << "the own echo";
  other.address = "elsewhere:1";
  EXPECT_TRUE(Has(core->Step(Ping(other, 1), 1000), EventKind::kImpostor, 1));
}

TEST(Membership, AForgottenMemberIsNotProbed) {
  auto core = NodeOne(2);
  core->Forget(2);
  EXPECT_TRUE(TickUntil(core.get(), 0, 20 * kSecond).messages.empty());
}

// ---- gossip ----------------------------------------------------------------

TEST(RumorQueue, TellsTheLeastToldFirstAndForgetsInTheEnd) {
  RumorQueue queue;
  const auto add = [&](NodeId node) { queue.Add({.peer = MakePeer(node)}); };
  add(1);
  EXPECT_EQ(queue.Take(1000, 3).size(), 1u);
  add(2);
  const size_t one = EncodedSize({.peer = MakePeer(2)});
  ASSERT_EQ(queue.Take(one, 3).size(), 1u);  // 2 has caught up
  EXPECT_EQ(queue.Take(1000, 3).size(), 2u);
  EXPECT_EQ(queue.Take(1000, 3).size(), 2u);
  EXPECT_EQ(queue.size(), 0u);
  add(1);
  queue.Add({.peer = MakePeer(1, "newer")});
  const auto rumors = queue.Take(1000, 3);
  ASSERT_EQ(rumors.size(), 1u);
  EXPECT_EQ(rumors[0].peer.zone, "newer");
}

TEST(Membership, MessagesStaySmallHoweverMuchThereIsToTell) {
  auto core = NodeOne(2);
  std::vector<Rumor> many;
  for (NodeId node = 10; node < 500; ++node) {
    many.push_back({.peer = MakePeer(node)});
  }
  auto out = core->Step(Ping(MakePeer(2), 1, many), 1000);
  EXPECT_EQ(out.events.size(), 490u);
  ASSERT_EQ(out.messages.size(), 1u);
  EXPECT_GT(out.messages[0].message.rumors.size(), 10u);
  EXPECT_LT(Encode(out.messages[0].message).size(), 1100u);
}

}  // namespace
}  // namespace kvfs::membership
