#include "kvcore/replication/read_round.h"

#include <gtest/gtest.h>

#include "kvcore/replication/messages.h"

namespace kvfs::replication {
namespace {

using Ask = ReadRound::Ask;
using Asks = std::vector<Ask>;
using Verdict = ReadRound::Verdict;

constexpr PkState kOld{{1, 1}, 1}, kNew{{1, 1}, 2};

const std::vector<env::NodeId> kHomes = {1, 2, 3};

pb::ReadReply State(const PkState& state) {
  pb::ReadReply reply;
  reply.set_ok(true);
  reply.set_state_only(true);
  *reply.mutable_state() = ToProto(state);
  return reply;
}
pb::ReadReply Values(const PkState& state, const Bytes& value) {
  pb::ReadReply reply = State(state);
  reply.set_state_only(false);
  reply.add_entries()->set_value(value);
  return reply;
}

TEST(ReadRound, OneSendsValuesTheOthersTheirState) {
  ReadRound round(kHomes, ReadLevel::kQuorum);
  EXPECT_EQ(round.Begin(), (Asks{{1, false}, {2, true}, {3, true}}));
  EXPECT_TRUE(round.Answer(1, Values(kNew, "new")).empty());
  EXPECT_EQ(round.verdict(), Verdict::kOpen);
  EXPECT_TRUE(round.Answer(3, State(kNew)).empty());
  ASSERT_EQ(round.verdict(), Verdict::kDecided);
  EXPECT_EQ(round.reply().entries(0).value(), "new");
}

TEST(ReadRound, WhereTheOneIsBehindAnotherIsAskedForValues) {
  ReadRound round(kHomes, ReadLevel::kQuorum);
  (void)round.Begin();
  EXPECT_TRUE(round.Answer(1, Values(kOld, "old")).empty());
  EXPECT_TRUE(round.Answer(3, State(kNew)).empty());
  EXPECT_EQ(round.Answer(2, State(kNew)), (Asks{{2, false}}));
  EXPECT_EQ(round.verdict(), Verdict::kOpen);
  EXPECT_TRUE(round.Answer(2, Values(kNew, "new")).empty());
  ASSERT_EQ(round.verdict(), Verdict::kDecided);
  EXPECT_EQ(round.reply().entries(0).value(), "new");
  EXPECT_EQ(round.Others(), std::vector<env::NodeId>{1});
}

TEST(ReadRound, ASlowOneIsHedged) {
  ReadRound round(kHomes, ReadLevel::kQuorum);
  (void)round.Begin();
  EXPECT_EQ(round.Hedge(), (Asks{{2, false}}));
  (void)round.Answer(2, State(kNew));
  (void)round.Answer(3, State(kNew));
  EXPECT_EQ(round.verdict(), Verdict::kOpen);
  (void)round.Answer(2, Values(kNew, "new"));
  EXPECT_EQ(round.verdict(), Verdict::kDecided);
  EXPECT_TRUE(round.Hedge().empty());
}

// A home that went on while it was asked twice.
TEST(ReadRound, ValuesOfAnotherStateThanTheAgreedAreNotShown) {
  ReadRound round(kHomes, ReadLevel::kQuorum);
  (void)round.Begin();
  EXPECT_EQ(round.Answer(1, std::nullopt), (Asks{{2, false}}));
  (void)round.Answer(3, State(kOld));
  EXPECT_TRUE(round.Answer(2, State(kOld)).empty());  // its values are on the way
  EXPECT_EQ(round.verdict(), Verdict::kOpen);
  (void)round.Answer(2, Values(kNew, "new"));
  EXPECT_EQ(round.verdict(), Verdict::kDiffer);
}

TEST(ReadRound, DiffersWhereNoMajorityIsPossible) {
  ReadRound round(kHomes, ReadLevel::kQuorum);
  (void)round.Begin();
  (void)round.Answer(1, Values(kOld, "old"));
  (void)round.Answer(2, State(kNew));
  EXPECT_EQ(round.verdict(), Verdict::kOpen);
  (void)round.Answer(3, std::nullopt);
  EXPECT_EQ(round.verdict(), Verdict::kDiffer);
}

TEST(ReadRound, EachLevelAsksForMore) {
  ReadRound one(kHomes, ReadLevel::kOne);
  EXPECT_EQ(one.Begin(), (Asks{{1, false}}));
  EXPECT_EQ(one.Answer(1, std::nullopt), (Asks{{2, false}}));
  EXPECT_EQ(one.verdict(), Verdict::kOpen);
  (void)one.Answer(2, Values(kOld, "old"));
  EXPECT_EQ(one.verdict(), Verdict::kDecided);

  ReadRound all(kHomes, ReadLevel::kAll);
  (void)all.Begin();
  (void)all.Answer(1, Values(kNew, "new"));
  (void)all.Answer(2, State(kNew));
  EXPECT_EQ(all.verdict(), Verdict::kOpen);  // a quorum
  (void)all.Answer(3, State(kOld));
  EXPECT_EQ(all.verdict(), Verdict::kDiffer);
}

TEST(ReadRound, InATransitionAMajorityOfBothSetsTellsIt) {
  Electorate electorate;
  electorate.homes = {1, 2, 3, 4, 5};
  electorate.sets = {{1, 2, 3}, {3, 4, 5}};
  ReadRound round(electorate, ReadLevel::kQuorum);
  round.Begin();
  round.Answer(1, Values(kNew, "new"));
  round.Answer(2, State(kNew));
  EXPECT_EQ(round.verdict(), Verdict::kOpen);
  round.Answer(4, State({}));  // it has nothing yet
  EXPECT_EQ(round.verdict(), Verdict::kOpen);
  round.Answer(5, State({}));
  EXPECT_EQ(round.verdict(), Verdict::kDiffer);  // the third is not enough of the new ones
}

}  // namespace
}  // namespace kvfs::replication
