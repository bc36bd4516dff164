// One primary of three homes, the two others being whatever the test has them say: each rule of
// doc/replication.md that it follows, by the schedule that breaks without it.
#include "kvcore/replication/replicated_primary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/replication_test_support.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {
namespace {

constexpr Epoch kLater{9, 2};  // of somebody else

// The other homes. They have no state of their own.
class Script final : public Peers {
 public:
  using Say = std::function<Result<Bytes>(env::NodeId home, Method method, const Bytes& body)>;

  explicit Script(env::Scheduler* scheduler) : scheduler_(scheduler) {}

  void SetSelf(Service* self) { self_ = self; }
  // How long a home takes to answer.
  void SetDelay(env::NodeId home, int64_t micros) { delays_[home] = micros; }
  void SetOthers(Say say) { say_ = std::move(say); }
  // Requests to the others, in order.
  const std::vector<std::pair<Method, Bytes>>& asked() const { return asked_; }
  void Forget() { asked_.clear(); }

  Task<Result<Bytes>> Call(env::NodeId to, Method method, Bytes body, int64_t) override {
    if (to == 1) {
      co_return co_await self_->Handle(1, method, std::move(body));
    }
    asked_.emplace_back(method, body);
    Result<Bytes> answer = say_(to, method, body);
    if (delays_[to] > 0) {
      co_await env::SleepFor(scheduler_, delays_[to]);
    }
    co_return answer;
  }

 private:
  env::Scheduler* const scheduler_;
  Service* self_ = nullptr;
  Say say_;
  std::map<env::NodeId, int64_t> delays_;
  std::vector<std::pair<Method, Bytes>> asked_;
};

Result<Bytes> Grant(PkState state = {}) {
  pb::HomeReply reply;
  reply.set_granted(true);
  reply.set_applied(true);
  *reply.mutable_state() = ToProto(state);
  return reply.SerializeAsString();
}
Result<Bytes> Deny() {
  pb::HomeReply reply;
  *reply.mutable_promised() = ToProto(kLater);
  return reply.SerializeAsString();
}
Result<Bytes> Nothing() { return Status(Code::kOutcomeUnknown, "no answer"); }

class PrimaryRulesTest : public PrimaryFixture {
 protected:
  PrimaryRulesTest() : PrimaryFixture(&peers_, &homes_) {
    peers_.SetSelf(&service_);
    peers_.SetOthers([](env::NodeId, Method, const Bytes&) { return Grant(); });
  }
  ~PrimaryRulesTest() override { env_.Await(Closed()); }

  pb::SubmitReply Put(uint64_t sequence, uint32_t attempt, const Bytes& value,
                      bool only_if_absent = false) {
    Txn txn;
    txn.pk = "pk";
    if (only_if_absent) {
      txn.asserts.push_back({Assert::Kind::kAbsent, "a", {}});
    }
    txn.writes.push_back({Write::Kind::kPut, "a", value});
    return env_.Await(primary_.Submit(ToProto(txn, {1, sequence}, attempt, false)));
  }
  pb::ReadReply Read() {
    pb::ReadRequest request;
    request.set_pk("pk");
    request.add_cks("a");
    request.set_settled(true);
    return env_.Await(primary_.Read(std::move(request)));
  }
  // Both others obey somebody else, who has decided what they do not tell.
  void Depose() {
    peers_.SetOthers([](env::NodeId, Method, const Bytes&) { return Deny(); });
  }
  size_t Asked(Method method) const {
    return static_cast<size_t>(
        std::count_if(peers_.asked().begin(), peers_.asked().end(),
                      [method](const auto& request) { return request.first == method; }));
  }

  FixedHomes homes_{{1, 2, 3}};
  Script peers_{&env_};
};

// Rule 6.
TEST_F(PrimaryRulesTest, ADeposedPrimaryShowsNothing) {
  ASSERT_TRUE(Put(1, 1, "old").decided());
  ASSERT_TRUE(Read().ok());
  Depose();
  EXPECT_FALSE(Read().ok());
}

TEST_F(PrimaryRulesTest, ADeposedPrimaryRefusesNothing) {
  ASSERT_TRUE(Put(1, 1, "old").decided());
  ASSERT_TRUE(Put(2, 1, "new", true).outcome().conflict());
  Depose();
  const pb::SubmitReply reply = Put(3, 1, "new", true);
  EXPECT_FALSE(reply.decided());
  EXPECT_FALSE(reply.unknown());
}

TEST_F(PrimaryRulesTest, ADeposedPrimaryTellsNoOutcome) {
  ASSERT_TRUE(Put(1, 1, "old").decided());
  ASSERT_TRUE(Put(1, 2, "old").decided());
  Depose();
  EXPECT_FALSE(Put(1, 3, "old").decided());
}

TEST_F(PrimaryRulesTest, WhatHasHappenedIsTold) {
  ASSERT_TRUE(Put(1, 1, "old").decided());
  ASSERT_EQ(changes_.size(), 1u);
  EXPECT_EQ(changes_[0].pk, "pk");
  EXPECT_EQ(changes_[0].cks, std::vector<Bytes>{"a"});
  EXPECT_EQ(changes_[0].session, 1u);
  ASSERT_TRUE(Put(1, 2, "old").decided());  // a retry
  ASSERT_TRUE(Put(2, 1, "new", true).outcome().conflict());
  ASSERT_TRUE(Put(3, 2, "new", true).outcome().conflict());  // recorded
  Depose();
  ASSERT_FALSE(Put(4, 1, "new").decided());
  EXPECT_EQ(changes_.size(), 1u);
}

// Rules 3 and 4: what one home holds of a later state is taken over and made to count before
// anything is shown.
TEST_F(PrimaryRulesTest, WhatAMinorityHoldsIsStampedBeforeItIsShown) {
  const Epoch before{4, 3};
  const PkState found{before, 4};
  const uint32_t partition = PartitionOf(PlaceOf("pk"), HomeOptions().partition_bits);
  ASSERT_TRUE(env_.Await(home_.Promise(partition, before))->granted());
  peers_.SetOthers([&](env::NodeId home, Method method, const Bytes&) -> Result<Bytes> {
    if (method == Method::kPage) {
      pb::PageReply page;
      page.set_valid(true);
      return page.SerializeAsString();
    }
    return Grant(method == Method::kState && home == 2 ? found : PkState{});
  });
  ASSERT_TRUE(Read().ok());
  const PkState state = home_.LocalState("pk").value();
  EXPECT_EQ(state.epoch.node, 1u);  // rule 5: by a name of its own reign
  EXPECT_GT(state, found);
  EXPECT_GE(Asked(Method::kApply), 1u);
  bool stamped = false;
  for (const auto& [method, body] : peers_.asked()) {
    if (method == Method::kApply) {
      const auto apply = Parse<pb::ApplyRequest>(body);
      stamped = apply.ok() && FromProto(apply->previous()) == found &&
                FromProto(apply->next()) == state && apply->entries().empty();
    }
  }
  EXPECT_TRUE(stamped);
}

// Rule 5: not for a moment, since nobody knows when the node dies.
TEST_F(PrimaryRulesTest, WhatIsTakenOverIsNeverHeldUnderItsOldName) {
  const Epoch before{4, 3};
  const PkState found{before, 4};
  const uint32_t partition = PartitionOf(PlaceOf("pk"), HomeOptions().partition_bits);
  ASSERT_TRUE(env_.Await(home_.Promise(partition, before))->granted());
  peers_.SetOthers([&](env::NodeId home, Method method, const Bytes&) -> Result<Bytes> {
    if (method == Method::kPage) {
      pb::PageReply page;
      page.set_valid(true);
      return page.SerializeAsString();
    }
    return Grant(method == Method::kState && home == 2 ? found : PkState{});
  });
  store_.FailApply(Status::NoSpace("full"), 2);  // after the promise and the takeover
  (void)Read();
  EXPECT_EQ(home_.LocalState("pk")->epoch.node, 1u);
}

// Rule 5, seen from the other homes: none is led through states of an older reign.
TEST(Tail, HoldsTransactionsOfOneReign) {
  const auto entry = [](const PkState& previous, const PkState& next) {
    return std::make_shared<const pb::ApplyRequest>(ApplyOf("pk", previous, next, "value"));
  };
  const PkState one{{1, 1}, 1}, two{{1, 1}, 2}, three{{2, 1}, 1}, four{{2, 1}, 2};
  Tail tail;
  tail.Add(entry(one, two), 10);
  EXPECT_EQ(tail.Behind(one).size(), 1u);
  tail.Add(entry(two, three), 10);
  EXPECT_TRUE(tail.Behind(one).empty());
  tail.Add(entry(three, four), 10);
  EXPECT_EQ(tail.Behind(two).size(), 2u);
  EXPECT_TRUE(tail.Behind(four).empty());
}

TEST_F(PrimaryRulesTest, WhatAMinorityHoldsIsNotShownIfNobodyTakesIt) {
  ASSERT_TRUE(Put(1, 1, "decided").decided());
  // Another life of the node: it holds what perhaps only it holds.
  ReplicatedPrimary next({.self = 1, .storage_epoch = 8}, {.placement = &homes_,
                                                           .home = &home_,
                                                           .peers = &peers_,
                                                           .store = &store_,
                                                           .dots = dots_.get(),
                                                           .hybrid_clock = &hybrid_clock_,
                                                           .clock = &env_,
                                                           .scheduler = &env_});
  peers_.SetOthers([](env::NodeId, Method method, const Bytes&) {
    return method == Method::kApply ? Deny() : Grant();
  });
  pb::ReadRequest request;
  request.set_pk("pk");
  request.set_settled(true);
  EXPECT_FALSE(env_.Await(next.Read(std::move(request))).ok());
  EXPECT_GE(Asked(Method::kApply), 1u);
  auto closed = [](ReplicatedPrimary* primary) -> Task<bool> {
    co_await primary->Close();
    co_return true;
  };
  env_.Await(closed(&next));
}

// Rule 7.
TEST_F(PrimaryRulesTest, ARefusedRetryIsRecorded) {
  ASSERT_TRUE(Put(1, 1, "old").decided());
  peers_.Forget();
  ASSERT_TRUE(Put(2, 2, "new", true).outcome().conflict());
  EXPECT_GE(Asked(Method::kApply), 1u);
  const auto recorded = store_.Get(OutcomeKey("pk", {1, 2}));
  ASSERT_TRUE(recorded.ok());
  EXPECT_TRUE(DecodeOutcome(*recorded)->conflict);
}

// Rule 9: the third home would never take anything again.
TEST_F(PrimaryRulesTest, ADenialEndsTheReignEvenIfAMajoritySaidYes) {
  ASSERT_TRUE(Put(1, 1, "old").decided());
  const Epoch before = home_.LocalState("pk")->epoch;
  peers_.SetOthers([](env::NodeId home, Method method, const Bytes&) {
    return home == 3 && method == Method::kApply ? Deny() : Grant();
  });
  peers_.SetDelay(2, 10'000);
  peers_.SetDelay(3, 20'000);
  ASSERT_TRUE(Put(2, 1, "new").decided());
  env_.Advance(50'000);
  peers_.SetOthers([](env::NodeId, Method, const Bytes&) { return Grant(); });
  ASSERT_TRUE(Put(3, 1, "newer").decided());
  EXPECT_GT(home_.LocalState("pk")->epoch.number, kLater.number);
  EXPECT_GT(home_.LocalState("pk")->epoch, before);
}

// Nobody may be told that it failed: it lies here.
TEST_F(PrimaryRulesTest, WithoutAMajorityTheOutcomeIsUnknown) {
  ASSERT_TRUE(Put(1, 1, "old").decided());
  int pushes = 0;
  peers_.SetOthers([&](env::NodeId, Method method, const Bytes&) {
    return method == Method::kApply ? (++pushes < 4 ? Nothing() : Deny()) : Grant();
  });
  const pb::SubmitReply reply = Put(2, 1, "new");
  EXPECT_FALSE(reply.decided());
  EXPECT_TRUE(reply.unknown());
}

// Outcomes below what its session has settled are forgotten, and what is forgotten never happens
// again: a first attempt that was under way all the time is refused.
TEST_F(PrimaryRulesTest, WhatIsSettledIsForgottenAndDoesNotHappenAgain) {
  const auto outcomes = [&] {
    size_t count = 0;
    const auto entries = store_.Scan(OutcomeKey("pk", {1, 0}), OutcomeKey("pk", {2, 0}));
    for (; entries->Valid(); entries->Next()) {
      ++count;
    }
    return count;
  };
  const auto put = [&](uint64_t sequence, uint64_t settled, const Bytes& value) {
    Txn txn;
    txn.pk = "pk";
    txn.writes.push_back({Write::Kind::kPut, "a", value});
    pb::SubmitRequest request = ToProto(txn, {1, sequence}, 1, false);
    request.set_settled(settled);
    return env_.Await(primary_.Submit(std::move(request)));
  };
  for (uint64_t sequence = 1; sequence <= 200; ++sequence) {
    ASSERT_TRUE(put(sequence, sequence > 10 ? sequence - 10 : 0, "x").decided());
    ASSERT_LE(outcomes(), 60u);
  }
  // Not settled yet: what became of them is known, and they are not done again.
  for (uint64_t sequence = 191; sequence <= 200; ++sequence) {
    EXPECT_FALSE(put(sequence, 0, "again").outcome().conflict());
  }
  const pb::SubmitReply late = put(50, 0, "late");
  EXPECT_TRUE(late.decided());
  EXPECT_TRUE(late.outcome().conflict());
  const Bytes stored = store_.Get(PkPrefix("pk") + "a").value();
  EXPECT_EQ(versioning::Decode(stored)->siblings[0].value, "x");
}

}  // namespace
}  // namespace kvfs::replication
