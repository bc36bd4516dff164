// What a home promises and applies, and a primary that is its only home, on stores in memory.
#include "kvcore/replication/home.h"

#include <gtest/gtest.h>

#include "kvcore/replication/keys.h"
#include "kvcore/replication/replication_test_support.h"
#include "tests/support/memory_local_store.h"
#include "tests/support/step_env.h"

namespace kvfs::replication {
namespace {

constexpr Epoch kFirst{1, 1};
constexpr Epoch kSecond{2, 2};

class HomeTest : public ::testing::Test {
 protected:
  HomeTest()
      : peers_(2),
        home_({}, &store_, &peers_, &env_),
        source_({}, &source_store_, &peers_, &env_),
        source_service_(&source_, nullptr) {
    peers_.Add(1, &source_service_);
  }

  static pb::ApplyRequest Entry(const PkState& previous, const PkState& next, const Bytes& value) {
    return ApplyOf("pk", previous, next, value);
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

TEST_F(HomeTest, WhatIsKeptNoMoreGoesWholeAndThePromiseStays) {
  EXPECT_TRUE(Must(home_.Apply(Entry({}, {kSecond, 1}, "1"))).applied());
  const std::function<bool()> no = [] { return false; };
  EXPECT_FALSE(*env_.Await(home_.Discard(Partition(), PkPrefix("pk"), "pk", no)));
  EXPECT_EQ(home_.LocalState("pk").value(), (PkState{kSecond, 1}));
  const std::function<bool()> yes = [] { return true; };
  EXPECT_TRUE(*env_.Await(home_.Discard(Partition(), PkPrefix("pk"), "pk", yes)));
  EXPECT_EQ(home_.LocalState("pk").value(), PkState{});
  EXPECT_FALSE(store_.Scan(PkPrefix("pk"), PrefixEnd(PkPrefix("pk")))->Valid());
  const Bytes line = WorkItemKey(FirstPlace(Partition(), HomeOptions().partition_bits), {});
  std::vector<StoreWrite> writes(1);
  writes[0].key = line;
  ASSERT_TRUE(store_.Apply(std::move(writes), {}).ok());
  const Bytes work = WorkPrefix(FirstPlace(Partition(), HomeOptions().partition_bits));
  EXPECT_TRUE(*env_.Await(home_.Discard(Partition(), work, Bytes(1, kWorkPk), yes)));
  EXPECT_FALSE(*store_.Contains(line));
  // Should it keep the partition again, it is a home that lags, and obeys what it obeyed.
  EXPECT_FALSE(Must(home_.Promise(Partition(), kFirst)).granted());
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

// ---- losses of power -------------------------------------------------------

HomeOptions OfBoot(const Bytes& boot) {
  HomeOptions options;
  options.boot_id = boot;
  return options;
}

// Nobody is told of a write of which nobody would know that it may be lost.
TEST_F(HomeTest, TheFirstWriteOfABootMakesItsMarkDurable) {
  Home home(OfBoot("one"), &store_, &peers_, &env_);
  store_.FailSync(Status::IoError("disk"));
  EXPECT_FALSE(env_.Await(home.Apply(Entry({}, {kFirst, 1}, "1"))).ok());
  // It lies here, but is not told either.
  pb::ReadRequest read;
  read.set_pk("pk");
  EXPECT_FALSE(env_.Await(home.Read(read)).ok());
  EXPECT_FALSE(env_.Await(home.State("pk", kFirst)).ok());
  store_.FailSync(Status::Ok());
  // Also where it lies already.
  EXPECT_TRUE(Must(home.Apply(Entry({}, {kFirst, 1}, "1"))).applied());
  const uint64_t syncs = store_.syncs();
  EXPECT_TRUE(Must(home.Apply(Entry({kFirst, 1}, {kFirst, 2}, "2"))).applied());
  EXPECT_EQ(store_.syncs(), syncs);
}

TEST_F(HomeTest, AnswersForNothingThatMayBeLost) {
  {
    Home home(OfBoot("one"), &store_, &peers_, &env_);
    EXPECT_TRUE(Must(home.Apply(Entry({}, {kFirst, 1}, "1"))).applied());
  }
  {
    // A process that died in the same boot has lost nothing.
    Home home(OfBoot("one"), &store_, &peers_, &env_);
    EXPECT_TRUE(home.Suspects()->empty());
    EXPECT_TRUE(Must(home.State("pk", kFirst)).granted());
  }
  Home home(OfBoot("two"), &store_, &peers_, &env_);
  EXPECT_EQ(home.Suspects().value(), std::vector<uint32_t>{Partition()});
  const auto refuses = [](const auto& reply) {
    return reply.status().code() == Code::kUnavailable;
  };
  EXPECT_TRUE(refuses(env_.Await(home.Promise(Partition(), kSecond))));
  EXPECT_TRUE(refuses(env_.Await(home.Promised(Partition()))));
  EXPECT_TRUE(refuses(env_.Await(home.State("pk", kSecond))));
  EXPECT_TRUE(refuses(env_.Await(home.Apply(Entry({kFirst, 1}, {kFirst, 2}, "2")))));
  EXPECT_TRUE(refuses(env_.Await(home.Install("pk", kSecond, 1, {}, {kSecond, 1}, false))));
  pb::ReadRequest read;
  read.set_pk("pk");
  EXPECT_TRUE(refuses(env_.Await(home.Read(read))));
  EXPECT_EQ(home.LocalState("pk").value(), (PkState{kFirst, 1}));
  // Another partition is not concerned.
  EXPECT_TRUE(Must(home.Promise(Partition() ^ 1, kFirst)).granted());
}

TEST_F(HomeTest, WhatIsIdleIsMadeDurableAndNoMoreAtStake) {
  Home home(OfBoot("one"), &store_, &peers_, &env_);
  EXPECT_TRUE(Must(home.Apply(Entry({}, {kFirst, 1}, "1"))).applied());
  EXPECT_TRUE(env_.Await(home.Tidy()).ok());
  Home other_boot(OfBoot("two"), &store_, &peers_, &env_);
  EXPECT_FALSE(other_boot.Suspects()->empty());  // it may still be in use
  const uint64_t syncs = store_.syncs();
  EXPECT_TRUE(env_.Await(home.Tidy()).ok());
  EXPECT_GT(store_.syncs(), syncs);
  EXPECT_TRUE(other_boot.Suspects()->empty());
  // The next write puts the mark back.
  EXPECT_TRUE(Must(home.Apply(Entry({kFirst, 1}, {kFirst, 2}, "2"))).applied());
  EXPECT_FALSE(other_boot.Suspects()->empty());
}

TEST_F(HomeTest, ListsItsPksByPagesAndRefusesWhatIsOlder) {
  HomeOptions small;
  small.partition_bits = 0;
  small.page_bytes = 1;
  Home home(small, &store_, &peers_, &env_);
  for (const char* pk : {"b", "a", "c"}) {
    EXPECT_TRUE(Must(home.Apply(ApplyOf(pk, {}, {kFirst, 1}, "1"))).applied());
  }
  std::map<Bytes, PkState> found;
  pb::ListRequest request;
  *request.mutable_epoch() = ToProto(kSecond);
  bool more = true;
  for (int page = 0; more; ++page) {
    ASSERT_LT(page, 10);
    const auto reply = env_.Await(home.List(request));
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(FromProto(reply->promised()), kSecond);
    EXPECT_FALSE(reply->suspect());
    for (const pb::PkOf& one : reply->pks()) {
      EXPECT_TRUE(found.emplace(one.pk(), FromProto(one.state())).second);
      request.set_after(one.pk());
    }
    more = reply->more();
  }
  const PkState one{kFirst, 1};
  EXPECT_EQ(found, (std::map<Bytes, PkState>{{"a", one}, {"b", one}, {"c", one}}));
  EXPECT_FALSE(Must(home.Apply(ApplyOf("a", one, {kFirst, 2}, "late"))).granted());
}

class OneHomeTest : public PrimaryFixture {
 protected:
  OneHomeTest() : PrimaryFixture(&peers_, &only_home_) { peers_.Add(1, &service_); }
  ~OneHomeTest() override { env_.Await(Closed()); }

  pb::SubmitReply Put(uint64_t sequence, uint32_t attempt, bool sync) {
    Txn txn;
    txn.pk = "pk";
    txn.writes.push_back({Write::Kind::kPut, "a", "value"});
    return env_.Await(primary_.Submit(ToProto(txn, {1, sequence}, attempt, sync)));
  }

  FixedHomes only_home_{{1}};
  DirectPeers peers_{1};
};

TEST_F(OneHomeTest, ARetryLearnsWhatBecameOfTheFirst) {
  const pb::SubmitReply first = Put(1, 1, false);
  ASSERT_TRUE(first.decided());
  const pb::SubmitReply again = Put(1, 2, false);
  ASSERT_TRUE(again.decided());
  EXPECT_EQ(again.outcome().version_low(), first.outcome().version_low());
  EXPECT_EQ(home_.LocalState("pk").value().seq, 1u);
}

// The first attempt may have been answered by whoever had not synced it.
TEST_F(OneHomeTest, ARetryThatMustBeDurableIs) {
  ASSERT_TRUE(Put(1, 1, false).decided());
  store_.FailSync(Status::IoError("disk"));
  EXPECT_FALSE(Put(1, 2, true).decided());
  store_.FailSync(Status::Ok());
  EXPECT_TRUE(Put(1, 2, true).decided());
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
