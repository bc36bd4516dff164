// Whole nodes on simulated machines find out who is there.
#include "kvcore/node/gossip.h"

#include <gtest/gtest.h>

#include <string>

#include "kvcore/node/bus_fork.h"
#include "kvcore/node/routed_placement.h"
#include "kvcore/node/sim_nodes_test_support.h"

namespace kvfs::node {
namespace {

using client::Commit;
using client::ItemKey;
using client::Txn;
using client::Write;
using membership::State;
using test::SimNodes;

constexpr int64_t kSecond = 1'000'000;

class GossipTest : public ::testing::Test {
 protected:
  State StateAt(size_t node, env::NodeId of) { return cluster_.node(node)->view()->StateOf(of); }
  // Until it is so; false after `micros`.
  template <typename Done>
  bool RunUntil(int64_t micros, const Done& done) {
    for (int64_t passed = 0; passed < micros && !done(); passed += kSecond / 10) {
      cluster_.world().RunFor(kSecond / 10);
    }
    return done();
  }
  bool BothSee(env::NodeId of, State state) {
    return StateAt(0, of) == state && StateAt(1, of) == state;
  }
  Status Put(const Bytes& pk, const Bytes& value) {
    Txn txn;
    txn.pk = pk;
    txn.writes.push_back({Write::Kind::kPut, "ck", value});
    Commit commit;
    commit.txns.push_back(std::move(txn));
    return cluster_.Run(cluster_.client()->Submit(std::move(commit))).status;
  }

  SimNodes cluster_{7, 3, true, true};
};

TEST_F(GossipTest, AKilledNodeIsSuspectThenDeadAndComesBack) {
  cluster_.world().RunFor(3 * kSecond);
  EXPECT_EQ(StateAt(0, 3), State::kAlive);
  const uint64_t before = cluster_.node(0)->view()->Find(3)->peer.incarnation;
  cluster_.Kill(2);
  bool was_suspect = false;
  EXPECT_TRUE(RunUntil(60 * kSecond, [&] {
    was_suspect = was_suspect || StateAt(0, 3) == State::kSuspect;
    return BothSee(3, State::kDead);
  }));
  EXPECT_TRUE(was_suspect);
  const auto status = *cluster_.node(0)->view()->Find(3);
  EXPECT_EQ(status.confirmers, (std::vector<env::NodeId>{1, 2}));
  // The others go on without it.
  EXPECT_TRUE(Put("pk", "value").ok());

  cluster_.Start(2);
  EXPECT_TRUE(
      RunUntil(60 * kSecond, [&] { return cluster_.AllUp() && BothSee(3, State::kAlive); }));
  EXPECT_GT(cluster_.node(0)->view()->Find(3)->peer.incarnation, before);
  EXPECT_TRUE(Put("pk", "again").ok());
}

TEST_F(GossipTest, NobodyIsDeadOnTheWordOfOneAlone) {
  cluster_.world().RunFor(2 * kSecond);
  // Node 1 hears nobody; it may be to blame itself.
  cluster_.world().bus().Partition({1});
  cluster_.world().RunFor(180 * kSecond);
  EXPECT_EQ(StateAt(0, 2), State::kSuspect);
  EXPECT_EQ(StateAt(0, 3), State::kSuspect);
  EXPECT_EQ(StateAt(1, 1), State::kDead);
  EXPECT_EQ(StateAt(1, 3), State::kAlive);
  cluster_.world().bus().MendAll();
  EXPECT_TRUE(RunUntil(60 * kSecond, [&] {
    return StateAt(0, 2) == State::kAlive && StateAt(0, 3) == State::kAlive &&
           StateAt(1, 1) == State::kAlive && StateAt(2, 1) == State::kAlive;
  }));
}

TEST_F(GossipTest, AnIncarnationIsNeverSpokenTwice) {
  cluster_.world().RunFor(2 * kSecond);
  uint64_t last = cluster_.node(0)->view()->Find(1)->peer.incarnation;
  for (int life = 0; life < 3; ++life) {
    cluster_.Kill(0);
    cluster_.Start(0);
    EXPECT_TRUE(RunUntil(5 * kSecond, [&] { return cluster_.AllUp(); }));
    const uint64_t now = cluster_.node(0)->view()->Find(1)->peer.incarnation;
    EXPECT_GT(now, last);
    last = now;
    EXPECT_TRUE(RunUntil(
        30 * kSecond, [&] { return cluster_.node(1)->view()->Find(1)->peer.incarnation >= now; }));
  }
}

TEST_F(GossipTest, WhoStopsSaysSo) {
  cluster_.world().RunFor(2 * kSecond);
  EXPECT_TRUE(cluster_.Run(cluster_.node(2)->Close()).ok());
  EXPECT_TRUE(RunUntil(2 * kSecond, [&] { return BothSee(3, State::kLeft); }));
}

TEST_F(GossipTest, WhoDoesNotAnswerIsAskedLast) {
  class Homes final : public replication::Placement {
   public:
    std::vector<env::NodeId> HomesOf(uint32_t) const override { return {3, 1, 2}; }
  };
  const Homes homes;
  const RoutedPlacement routed(&homes, [this] { return cluster_.node(0)->view(); });
  cluster_.world().RunFor(2 * kSecond);
  EXPECT_EQ(routed.HomesOf(0), (std::vector<env::NodeId>{3, 1, 2}));
  cluster_.Kill(2);
  EXPECT_TRUE(RunUntil(10 * kSecond, [&] { return StateAt(0, 3) == State::kSuspect; }));
  EXPECT_EQ(routed.HomesOf(0), (std::vector<env::NodeId>{1, 2, 3}));  // last, but among them
}

TEST_F(GossipTest, NobodySpeaksForAnother) {
  cluster_.world().RunFor(2 * kSecond);
  const uint64_t before = cluster_.node(0)->view()->Find(3)->peer.incarnation;
  // Node 2 sends what node 3 would say, and what is no message at all.
  membership::Message lie;
  lie.kind = membership::Message::Kind::kPing;
  lie.sequence = 1;
  lie.subject = 1;
  lie.sender = cluster_.node(2)->view()->Find(3)->peer;
  lie.sender.incarnation = before + 100;
  lie.sender.address = "elsewhere:1";
  for (const Bytes& body : {membership::Encode(lie), Bytes("nonsense"), Bytes()}) {
    env::Message message;
    message.from = 2;
    message.to = 1;
    message.lane = env::Lane::kControl;
    message.type = kMembershipType;
    message.header = body;
    ASSERT_TRUE(cluster_.world().bus().Send(std::move(message)).ok());
  }
  cluster_.world().RunFor(2 * kSecond);
  EXPECT_EQ(cluster_.node(0)->view()->Find(3)->peer.incarnation, before);
  EXPECT_EQ(StateAt(0, 2), State::kAlive);
  EXPECT_EQ(StateAt(0, 3), State::kAlive);
}

}  // namespace
}  // namespace kvfs::node
