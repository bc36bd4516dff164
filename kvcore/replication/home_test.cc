// What a home promises and applies, and a primary that is its only home, on stores in memory.
#include "kvcore/replication/home.h"

#include <gtest/gtest.h>

#include <map>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/service.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {
namespace {

constexpr Epoch kFirst{1, 1};
constexpr Epoch kSecond{2, 2};

// Calls go straight to the services of the nodes.
class DirectPeers final : public Peers {
 public:
  explicit DirectPeers(env::NodeId self) : self_(self) {}
  void Add(env::NodeId node, Service* service) { services_[node] = service; }
  Task<Result<Bytes>> Call(env::NodeId to, Method method, Bytes body, int64_t) override {
    return services_.at(to)->Handle(self_, method, std::move(body));
  }

 private:
  const env::NodeId self_;
  std::map<env::NodeId, Service*> services_;
};

struct OnlyHome final : Placement {
  std::vector<env::NodeId> HomesOf(uint32_t) const override { return {1}; }
};

class HomeTest : public ::testing::Test {
 protected:
  HomeTest()
      : peers_(2),
        home_({}, &store_, &peers_, &env_),
        source_({}, &source_store_, &peers_, &env_),
        source_service_(&source_, nullptr) {
    peers_.Add(1, &source_service_);
  }

  pb::ApplyRequest Entry(const PkState& previous, const PkState& next, const Bytes& value) {
    pb::ApplyRequest request;
    request.set_pk("pk");
    *request.mutable_epoch() = ToProto(next.epoch);
    *request.mutable_previous() = ToProto(previous);
    *request.mutable_next() = ToProto(next);
    pb::Entry* const entry = request.add_entries();
    entry->set_ck("a");
    entry->set_value(value);
    return request;
  }
  pb::HomeReply Must(Task<Result<pb::HomeReply>> task) {
    auto reply = env_.Await(std::move(task));
    EXPECT_TRUE(reply.ok()) << reply.status().ToString();
    return reply.ok() ? *reply : pb::HomeReply();
  }
  static uint32_t Partition() { return PartitionOf(PlaceOf("pk"), HomeOptions().partition_bits); }

  testing::StepEnv env_;
  testing::MemoryLocalStore store_, source_store_;
  DirectPeers peers_;
  Home home_, source_;
  Service source_service_;
};

TEST_F(HomeTest, RefusesLowerEpochsFromThePromiseOn) {
  EXPECT_TRUE(Must(home_.Promise(Partition(), kSecond)).granted());
  const pb::HomeReply late = Must(home_.Apply(Entry({}, {kFirst, 1}, "late")));
  EXPECT_FALSE(late.granted());
  EXPECT_EQ(FromProto(late.promised()), kSecond);
  EXPECT_FALSE(Must(home_.Promise(Partition(), kFirst)).granted());
  EXPECT_TRUE(Must(home_.Promise(Partition(), kSecond)).granted());
  EXPECT_EQ(home_.LocalState("pk").value(), PkState{});
  // Another life of the home on the same store remembers it.
  Home next({}, &store_, &peers_, &env_);
  EXPECT_FALSE(Must(next.Promise(Partition(), kFirst)).granted());
}

TEST_F(HomeTest, AppliesOnlyOnThePreviousStateAndOnce) {
  EXPECT_TRUE(Must(home_.Apply(Entry({}, {kFirst, 1}, "1"))).applied());
  EXPECT_FALSE(Must(home_.Apply(Entry({kFirst, 2}, {kFirst, 3}, "3"))).applied());
  const uint64_t batches = store_.batches();
  EXPECT_TRUE(Must(home_.Apply(Entry({}, {kFirst, 1}, "1"))).applied());
  EXPECT_EQ(store_.batches(), batches);
  EXPECT_TRUE(Must(home_.Apply(Entry({kFirst, 1}, {kFirst, 2}, "2"))).applied());
  EXPECT_EQ(home_.LocalState("pk").value(), (PkState{kFirst, 2}));
}

// A promise that came with a transaction nobody synced would not survive the power.
TEST_F(HomeTest, APromiseIsDurableAlsoIfATransactionBroughtIt) {
  EXPECT_TRUE(Must(home_.Apply(Entry({}, {kFirst, 1}, "1"))).applied());
  const uint64_t before = store_.syncs();
  store_.FailSync(Status::IoError("disk"));
  EXPECT_FALSE(env_.Await(home_.Promise(Partition(), kFirst)).ok());
  store_.FailSync(Status::Ok());
  EXPECT_TRUE(Must(home_.Promise(Partition(), kFirst)).granted());
  const uint64_t after = store_.syncs();
  EXPECT_GT(after, before);
  // Once is enough.
  EXPECT_TRUE(Must(home_.State("pk", kFirst)).granted());
  EXPECT_EQ(store_.syncs(), after);
}

TEST_F(HomeTest, TakesAWholePkOver) {
  EXPECT_TRUE(Must(source_.Apply(Entry({}, {kFirst, 1}, "new"))).applied());
  pb::ApplyRequest old = Entry({}, {kFirst, 1}, "old");
  old.mutable_entries(0)->set_ck("b");
  EXPECT_TRUE(Must(home_.Apply(old)).applied());
  const pb::HomeReply reply =
      Must(home_.Install("pk", kSecond, 1, {kFirst, 1}, {kSecond, 1}, false));
  EXPECT_TRUE(reply.granted() && reply.applied());
  EXPECT_EQ(home_.LocalState("pk").value(), (PkState{kSecond, 1}));
  EXPECT_EQ(store_.Get(PkPrefix("pk") + "a").value(), "new");
  EXPECT_EQ(store_.Get(PkPrefix("pk") + "b").status().code(), Code::kNotFound);
}

// A home that is given the whole pk counts for the transaction that led there, its sync included.
TEST_F(HomeTest, WhatIsTakenOverIsDurableWhereTheTransactionMustBe) {
  EXPECT_TRUE(Must(source_.Apply(Entry({}, {kFirst, 1}, "1"))).applied());
  EXPECT_TRUE(Must(home_.Install("pk", kFirst, 1, {kFirst, 1}, {kFirst, 1}, false)).applied());
  EXPECT_EQ(store_.syncs(), 0u);
  // Also where it lies already.
  EXPECT_TRUE(Must(home_.Install("pk", kFirst, 1, {kFirst, 1}, {kFirst, 1}, true)).applied());
  EXPECT_EQ(store_.syncs(), 1u);
  EXPECT_TRUE(Must(source_.Apply(Entry({kFirst, 1}, {kFirst, 2}, "2"))).applied());
  store_.FailSync(Status::IoError("disk"));
  EXPECT_FALSE(env_.Await(home_.Install("pk", kFirst, 1, {kFirst, 2}, {kFirst, 2}, true)).ok());
}

class OneHomeTest : public ::testing::Test {
 protected:
  OneHomeTest()
      : peers_(1),
        dots_(NumberSource::Open({.key = NodeLocalKey("dots"), .block = 1000}, &store_, &env_)
                  .value()),
        home_({}, &store_, &peers_, &env_),
        primary_({.self = 1, .storage_epoch = 7}, {.placement = &only_home_,
                                                   .home = &home_,
                                                   .peers = &peers_,
                                                   .store = &store_,
                                                   .dots = dots_.get(),
                                                   .hybrid_clock = &hybrid_clock_,
                                                   .clock = &env_,
                                                   .scheduler = &env_}),
        service_(&home_, &primary_) {
    peers_.Add(1, &service_);
  }
  ~OneHomeTest() override { env_.Await(Closed()); }

  Task<bool> Closed() {
    co_await primary_.Close();
    co_return true;
  }
  pb::SubmitReply Put(uint64_t sequence, uint32_t attempt, bool sync) {
    Txn txn;
    txn.pk = "pk";
    txn.writes.push_back({Write::Kind::kPut, "a", "value"});
    return env_.Await(primary_.Submit(ToProto(txn, {1, sequence}, attempt, sync)));
  }

  testing::StepEnv env_;
  testing::MemoryLocalStore store_;
  OnlyHome only_home_;
  DirectPeers peers_;
  versioning::HybridClock hybrid_clock_{60'000};
  std::unique_ptr<NumberSource> dots_;
  Home home_;
  ReplicatedPrimary primary_;
  Service service_;
};

TEST_F(OneHomeTest, ARetryLearnsWhatBecameOfTheFirst) {
  const pb::SubmitReply first = Put(1, 1, false);
  ASSERT_TRUE(first.decided());
  const pb::SubmitReply again = Put(1, 2, false);
  ASSERT_TRUE(again.decided());
  EXPECT_EQ(again.outcome().version_low(), first.outcome().version_low());
  EXPECT_EQ(home_.LocalState("pk").value().seq, 1u);
}

// It lies in the log and may be read after the next start: nobody may be told that it failed.
TEST_F(OneHomeTest, WhatWasAppliedButNotSyncedIsUnknown) {
  ASSERT_TRUE(Put(1, 1, false).decided());
  store_.FailSync(Status::IoError("disk"));
  const pb::SubmitReply reply = Put(2, 1, true);
  EXPECT_FALSE(reply.decided());
  EXPECT_TRUE(reply.unknown());
  store_.FailSync(Status::Ok());
  EXPECT_TRUE(Put(2, 2, true).decided());
}

TEST_F(OneHomeTest, WhatCouldNotBeAppliedHasFailed) {
  ASSERT_TRUE(Put(1, 1, false).decided());
  store_.FailApply(Status::NoSpace("full"));
  const pb::SubmitReply reply = Put(2, 1, false);
  EXPECT_FALSE(reply.decided());
  EXPECT_FALSE(reply.unknown());
  EXPECT_EQ(static_cast<Code>(reply.code()), Code::kNoSpace);
}

}  // namespace
}  // namespace kvfs::replication
