#include "kvcore/ring/layout_agreement.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>

#include "kvcore/ring/ring_test_support.h"

namespace kvfs::ring {
namespace {

using Kind = AgreementMessage::Kind;
using Output = LayoutAgreement::Output;
using LayoutPtr = std::shared_ptr<const Layout>;

LayoutPtr First(uint32_t nodes) {
  return std::make_shared<const Layout>(*ComputeLayout(test::Even(1, 3, nodes, 1), nullptr));
}

// What `node` would propose after `before`: told apart from others' proposals by a weight.
LayoutPtr Next(const Layout& before, NodeId node, uint32_t salt) {
  LayoutSpec spec = before.spec();
  for (Member& member : spec.members) {
    if (member.node == node) {
      member.weight = 1 + salt;
    }
  }
  return std::make_shared<const Layout>(*ComputeLayout(std::move(spec), &before));
}

// Members, their disks, and a network that holds every message until it is told to deliver it.
class Cluster {
 public:
  explicit Cluster(uint32_t nodes) : first_(First(nodes)) {
    for (const Member& member : first_->members()) {
      disks_[member.node] = Encode(AgreementState{
          .decided = first_, .promised = {}, .accepted = {}, .accepted_layout = nullptr});
      Restart(member.node);
    }
    Note(first_);
  }

  std::vector<NodeId> Nodes() const {
    std::vector<NodeId> nodes;
    for (const auto& [node, disk] : disks_) {
      nodes.push_back(node);
    }
    return nodes;
  }
  LayoutAgreement& At(NodeId node) { return *nodes_.at(node); }
  size_t InFlight() const { return network_.size(); }

  void Restart(NodeId node) {
    auto state = DecodeAgreementState(disks_.at(node));
    ASSERT_TRUE(state.ok()) << state.status().ToString();
    nodes_[node] = std::make_unique<LayoutAgreement>(
        node, std::move(*state),
        LayoutAgreement::Options{.round_micros = 100, .proposal_micros = 5000});
    nodes_[node]->SetComplete(true);
  }

  enum class Crash : uint8_t { kNone, kBeforePersist, kBeforeSending };
  void Carry(NodeId node, Output out, Crash crash = Crash::kNone) {
    if (crash == Crash::kBeforePersist) {
      return Restart(node);
    }
    if (out.persist) {
      disks_[node] = *out.persist;
    }
    if (out.decided != nullptr) {
      Note(out.decided);
      nodes_[node]->SetComplete(true);
    }
    if (out.proposal) {
      outcomes_[node] = out.proposal->code();
    }
    if (crash == Crash::kBeforeSending) {
      return Restart(node);
    }
    for (auto& envelope : out.messages) {
      // Through the bytes, as on the wire.
      network_.push_back({node, envelope.to, Encode(envelope.message)});
    }
  }

  void Deliver(size_t index, bool keep, Crash crash = Crash::kNone) {
    const Flight flight = network_[index];
    if (!keep) {
      network_[index] = network_.back();
      network_.pop_back();
    }
    if (!nodes_.contains(flight.to)) {
      return;
    }
    const auto message = DecodeAgreementMessage(flight.bytes);
    ASSERT_TRUE(message.ok()) << message.status().ToString();
    Carry(flight.to, At(flight.to).Step(flight.from, *message), crash);
  }
  void Lose(size_t index) {
    network_[index] = network_.back();
    network_.pop_back();
  }
  void DeliverAll() {
    while (!network_.empty() && !::testing::Test::HasFailure()) {
      Deliver(0, false);
    }
  }
  // Loses what `lost` says, delivers the rest.
  void DeliverAllBut(const std::function<bool(NodeId from, NodeId to)>& lost) {
    while (!network_.empty()) {
      lost(network_[0].from, network_[0].to) ? Lose(0) : Deliver(0, false);
    }
  }
  void Tick(NodeId node, int64_t now) { Carry(node, At(node).Tick(now)); }
  void Propose(NodeId node, uint32_t salt, int64_t now, Crash crash = Crash::kNone) {
    auto out = At(node).Propose(Next(At(node).decided(), node, salt), now);
    if (out.ok()) {
      Carry(node, std::move(*out), crash);
    }
  }

  std::optional<Code> Outcome(NodeId node) const {
    const auto found = outcomes_.find(node);
    return found == outcomes_.end() ? std::nullopt : std::optional(found->second);
  }
  uint64_t decided_numbers() const { return by_number_.size(); }

 private:
  struct Flight {
    NodeId from = 0;
    NodeId to = 0;
    Bytes bytes;
  };

  // One number, one layout.
  void Note(const LayoutPtr& layout) {
    const auto [known, is_new] = by_number_.emplace(layout->id().number, layout->id().hash);
    EXPECT_EQ(known->second, layout->id().hash) << "number " << layout->id().number;
  }

  const LayoutPtr first_;
  std::map<NodeId, Bytes> disks_;
  std::map<NodeId, std::unique_ptr<LayoutAgreement>> nodes_;
  std::vector<Flight> network_;
  std::map<uint64_t, uint64_t> by_number_;
  std::map<NodeId, Code> outcomes_;
};

TEST(LayoutAgreement, AllLearnWhatOneProposes) {
  Cluster cluster(5);
  cluster.Propose(102, 7, 0);
  cluster.DeliverAll();
  EXPECT_EQ(cluster.Outcome(102), Code::kOk);
  for (const NodeId node : cluster.Nodes()) {
    EXPECT_EQ(cluster.At(node).decided().id().number, 2u);
    EXPECT_EQ(cluster.At(node).decided().FindMember(102)->weight, 8u);
  }
}

TEST(LayoutAgreement, OneNodeDecidesAlone) {
  Cluster cluster(1);
  cluster.Propose(100, 7, 0);
  EXPECT_EQ(cluster.Outcome(100), Code::kOk);
  EXPECT_EQ(cluster.At(100).decided().id().number, 2u);
}

TEST(LayoutAgreement, AMinorityDecidesNothing) {
  Cluster cluster(5);
  cluster.Propose(100, 7, 0);
  for (int64_t now = 0; now <= 6000; now += 50) {
    cluster.DeliverAllBut([](NodeId from, NodeId to) { return (from <= 101) != (to <= 101); });
    cluster.Tick(100, now);
  }
  EXPECT_EQ(cluster.Outcome(100), Code::kUnavailable);
  EXPECT_EQ(cluster.decided_numbers(), 1u);
}

TEST(LayoutAgreement, TwoSidesOfAPartitionAndLaterOneLayout) {
  Cluster cluster(5);
  cluster.Propose(100, 1, 0);
  cluster.Propose(104, 2, 0);
  const auto cut = [](NodeId from, NodeId to) { return (from <= 101) != (to <= 101); };
  for (int64_t now = 0; now <= 2000; now += 50) {
    cluster.DeliverAllBut(cut);
    cluster.Tick(100, now);
    cluster.Tick(104, now);
  }
  EXPECT_EQ(cluster.Outcome(104), Code::kOk);
  EXPECT_EQ(cluster.Outcome(100), std::nullopt);
  for (int64_t now = 2000; now <= 3000; now += 50) {
    cluster.DeliverAll();
    cluster.Tick(100, now);
  }
  EXPECT_EQ(cluster.Outcome(100), Code::kConflict);
  EXPECT_EQ(cluster.At(100).decided().FindMember(104)->weight, 3u);
}

// While the last change is under way somewhere in every majority, nobody gets a third layout.
TEST(LayoutAgreement, NotBeforeTheLastChangeIsComplete) {
  Cluster cluster(3);
  cluster.At(100).SetComplete(false);
  EXPECT_EQ(cluster.At(100).Propose(Next(cluster.At(100).decided(), 100, 1), 0).status().code(),
            Code::kBusy);
  cluster.At(101).SetComplete(false);
  cluster.Propose(102, 1, 0);
  for (int64_t now = 0; now <= 6000; now += 50) {
    cluster.DeliverAll();
    cluster.Tick(102, now);
  }
  EXPECT_EQ(cluster.Outcome(102), Code::kBusy);
  EXPECT_EQ(cluster.decided_numbers(), 1u);
  cluster.At(101).SetComplete(true);
  cluster.Propose(102, 1, 7000);
  cluster.DeliverAll();
  EXPECT_EQ(cluster.Outcome(102), Code::kOk);
}

TEST(LayoutAgreement, WhoMissedItAsks) {
  Cluster cluster(3);
  cluster.Propose(101, 1, 0);
  cluster.DeliverAllBut([](NodeId, NodeId to) { return to == 100; });
  EXPECT_EQ(cluster.At(100).decided().id().number, 1u);
  cluster.Carry(100, cluster.At(100).LayoutSeen(102, 2));
  cluster.DeliverAll();
  EXPECT_EQ(cluster.At(100).decided().id().number, 2u);
  // And who proposes for a number long decided is told.
  cluster.Propose(101, 2, 0);
  cluster.DeliverAllBut([](NodeId, NodeId to) { return to == 100; });
  cluster.Propose(100, 3, 0);
  cluster.DeliverAll();
  EXPECT_EQ(cluster.Outcome(100), Code::kConflict);
  EXPECT_EQ(cluster.At(100).decided().id().number, 3u);
}

TEST(LayoutAgreement, StrangersHaveNoVote) {
  Cluster cluster(3);
  const LayoutPtr mine = Next(cluster.At(100).decided(), 100, 1);
  auto out = cluster.At(100).Propose(mine, 0);
  ASSERT_TRUE(out.ok());
  AgreementMessage promise = out->messages[0].message;
  promise.kind = Kind::kPromise;
  EXPECT_TRUE(cluster.At(100).Step(999, promise).messages.empty());
  EXPECT_TRUE(cluster.At(100).Step(101, promise).messages.size() == 2);  // a member's suffices
  AgreementMessage prepare = out->messages[0].message;
  prepare.ballot = {99, 999};
  EXPECT_TRUE(cluster.At(101).Step(999, prepare).messages.empty());
}

TEST(LayoutAgreement, APromiseOutlivesACrash) {
  Cluster cluster(3);
  AgreementMessage prepare{.kind = Kind::kPrepare, .number = 2, .ballot = {5, 101}};
  cluster.Carry(100, cluster.At(100).Step(101, prepare));
  cluster.Restart(100);
  prepare.ballot = {4, 102};
  const Output out = cluster.At(100).Step(102, prepare);
  ASSERT_EQ(out.messages.size(), 1u);
  EXPECT_EQ(out.messages[0].message.kind, Kind::kRefused);
  EXPECT_EQ(out.messages[0].message.accepted, (Ballot{5, 101}));
}

// Loss, repetition, any order, crashes before and after the disk, several who propose at once; then
// quiet, in which a proposal must get through and everybody learn it.
void Storm(uint64_t seed, uint64_t* decided) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return random() % n; };
  Cluster cluster(static_cast<uint32_t>(1 + below(5)));
  const auto nodes = cluster.Nodes();
  const auto any = [&] { return nodes[below(nodes.size())]; };
  const auto crash = [&] {
    const uint64_t drawn = below(40);
    return drawn == 0   ? Cluster::Crash::kBeforePersist
           : drawn == 1 ? Cluster::Crash::kBeforeSending
                        : Cluster::Crash::kNone;
  };
  const uint64_t loss = below(4);
  int64_t now = 0;
  for (int step = 0; step < 300 && !::testing::Test::HasFailure(); ++step) {
    now += static_cast<int64_t>(below(20));
    const uint64_t kind = below(12);
    if (kind == 0) {
      cluster.Propose(any(), static_cast<uint32_t>(below(1000)), now, crash());
    } else if (kind == 1) {
      cluster.Tick(any(), now);
    } else if (kind == 2 && below(10) == 0) {
      cluster.Restart(any());
    } else if (cluster.InFlight() > 0) {
      const size_t index = below(cluster.InFlight());
      below(10) < loss ? cluster.Lose(index) : cluster.Deliver(index, below(8) == 0, crash());
    }
  }
  // Old messages may still come during the quiet; proposals of the storm run out or get through.
  const NodeId last = any();
  for (int i = 0; i < 400; ++i) {
    now += 50;
    for (const NodeId node : nodes) {
      cluster.Tick(node, now);
    }
    cluster.DeliverAll();
  }
  const uint64_t before = cluster.decided_numbers();
  cluster.Propose(last, 5, now);
  cluster.DeliverAll();
  // Who missed the last one proposes for an old number first, and is told.
  cluster.Propose(last, 5, now);
  for (int i = 0; i < 100; ++i) {
    now += 50;
    cluster.Tick(last, now);
    cluster.DeliverAll();
  }
  EXPECT_GT(cluster.decided_numbers(), before);
  for (const NodeId node : nodes) {
    EXPECT_EQ(cluster.At(node).decided().id(), cluster.At(last).decided().id());
  }
  *decided += cluster.decided_numbers() - 1;
}

TEST(LayoutAgreement, OneNumberNeverMeansTwoLayouts) {
  const uint64_t seeds = std::getenv("KVFS_LONG") != nullptr ? 100'000 : 300;
  uint64_t decided = 0;
  for (uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    Storm(seed, &decided);
  }
  EXPECT_GT(decided, seeds * 2);
}

AgreementMessage SampleMessage() {
  const LayoutPtr first = First(3);
  return {.kind = Kind::kPromise,
          .number = 2,
          .ballot = {300, 100},
          .accepted = {7, 101},
          .layout = Next(*first, 100, 1)};
}

TEST(AgreementCodec, RefusesTruncationsAndDamage) {
  const Bytes encoded = Encode(SampleMessage());
  ASSERT_TRUE(DecodeAgreementMessage(encoded).ok());
  AgreementState state{.decided = First(3),
                       .promised = {9, 2},
                       .accepted = {7, 101},
                       .accepted_layout = SampleMessage().layout};
  const Bytes stored = Encode(state);
  ASSERT_TRUE(DecodeAgreementState(stored).ok());
  for (size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_FALSE(DecodeAgreementMessage(ByteView(encoded).substr(0, size)).ok());
  }
  for (size_t size = 0; size < stored.size(); ++size) {
    EXPECT_FALSE(DecodeAgreementState(ByteView(stored).substr(0, size)).ok());
  }
  for (size_t bit = 0; bit < stored.size() * 8; ++bit) {
    Bytes damaged = stored;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = DecodeAgreementState(damaged);
    EXPECT_TRUE(!decoded.ok() || Encode(*decoded) == damaged);
  }
  AgreementMessage wrong = SampleMessage();
  wrong.number = 3;  // not its layout's
  EXPECT_FALSE(DecodeAgreementMessage(Encode(wrong)).ok());
  wrong = SampleMessage();
  wrong.kind = Kind::kAccepted;  // with a layout
  EXPECT_FALSE(DecodeAgreementMessage(Encode(wrong)).ok());
}

}  // namespace
}  // namespace kvfs::ring
