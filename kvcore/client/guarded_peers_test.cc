#include "kvcore/client/guarded_peers.h"

#include <gtest/gtest.h>

#include "tests/support/step_env.h"

namespace kvfs::client {
namespace {

using env::NodeId;
using replication::Method;

constexpr int64_t kLongMicros = 30'000'000;

// Node 2 is silent, or slow at everything but signs of life, when told; the others answer at once.
class Two final : public replication::Peers {
 public:
  enum class Mood : uint8_t { kAnswers, kSlow, kSilent };

  explicit Two(testing::StepEnv* env) : env_(env) {}
  Task<Result<Bytes>> Call(NodeId to, Method method, Bytes, int64_t timeout_micros) override {
    signs += method == Method::kMembers ? 1 : 0;
    const bool is_slow = mood == Mood::kSlow && method != Method::kMembers;
    if (to == 2 && (mood == Mood::kSilent || is_slow)) {
      const int64_t end = env_->MonotonicMicros() + timeout_micros;
      const int given_up = given_up_;
      while (env_->MonotonicMicros() < end && given_up_ == given_up) {
        co_await env::SleepFor(env_, 10'000);
      }
      co_return Status(Code::kOutcomeUnknown, "no answer");
    }
    co_return Bytes("answer");
  }
  void GiveUp(NodeId) override { ++given_up_; }

  Mood mood = Mood::kAnswers;
  int signs = 0;  // of life, that were asked for

 private:
  testing::StepEnv* const env_;
  int given_up_ = 0;
};

struct Homes final : replication::Placement {
  std::vector<NodeId> HomesOf(uint32_t) const override { return {1, 2, 3}; }
};

class GuardedPeersTest : public ::testing::Test {
 protected:
  ~GuardedPeersTest() override { env_.Await(Closed()); }
  Task<bool> Closed() {
    co_await peers_.Close();
    co_return true;
  }
  // And how long it took.
  Code Call(NodeId to, int64_t timeout_micros = kLongMicros) {
    const int64_t began = env_.MonotonicMicros();
    const Code code =
        env_.Await(peers_.Call(to, Method::kRead, "?", timeout_micros)).status().code();
    took_ = env_.MonotonicMicros() - began;
    return code;
  }

  testing::StepEnv env_;
  Two two_{&env_};
  Homes homes_;
  GuardedPeers peers_{{}, &two_, &homes_, &env_, &env_};
  int64_t took_ = 0;
};

TEST_F(GuardedPeersTest, OneThatIsSilentIsNotWaitedForLong) {
  two_.mood = Two::Mood::kSilent;
  EXPECT_EQ(Call(2), Code::kOutcomeUnknown);
  EXPECT_GE(took_, 1'000'000);
  EXPECT_LT(took_, 1'500'000);
  EXPECT_EQ(peers_.HomesOf(0), (std::vector<NodeId>{1, 3, 2}));
  for (int i = 0; i < 100; ++i) {  // tried, but not by those who want something of it
    EXPECT_EQ(Call(2), Code::kUnavailable);
    EXPECT_EQ(took_, 0);
    EXPECT_EQ(Call(1), Code::kOk);
    env_.Advance(100'000);
  }
  EXPECT_GT(two_.signs, 10);
}

TEST_F(GuardedPeersTest, OneThatAnswersAgainIsOneOfThem) {
  two_.mood = Two::Mood::kSilent;
  EXPECT_EQ(Call(2), Code::kOutcomeUnknown);
  two_.mood = Two::Mood::kAnswers;
  EXPECT_EQ(Call(2), Code::kUnavailable);
  env_.Advance(600'000);
  EXPECT_EQ(Call(2), Code::kOk);
  EXPECT_EQ(peers_.HomesOf(0), (std::vector<NodeId>{1, 2, 3}));
}

TEST_F(GuardedPeersTest, WhatTakesLongHasItsTime) {
  two_.mood = Two::Mood::kSlow;
  EXPECT_EQ(Call(2, 10'000'000), Code::kOutcomeUnknown);
  EXPECT_GE(took_, 10'000'000);
  EXPECT_EQ(peers_.HomesOf(0), (std::vector<NodeId>{1, 2, 3}));
  EXPECT_EQ(Call(2, 10'000'000), Code::kOutcomeUnknown);
  EXPECT_EQ(peers_.HomesOf(0), (std::vector<NodeId>{1, 3, 2}));  // asked last, but asked
  EXPECT_EQ(Call(2, 10'000'000), Code::kOutcomeUnknown);
}

TEST_F(GuardedPeersTest, OneThatNobodyWantsIsNotTriedForEver) {
  two_.mood = Two::Mood::kSilent;
  EXPECT_EQ(Call(2), Code::kOutcomeUnknown);
  env_.Advance(120'000'000);
  const int signs = two_.signs;
  env_.Advance(120'000'000);
  EXPECT_EQ(two_.signs, signs);
  EXPECT_EQ(Call(1), Code::kOk);
  env_.Advance(1'000'000);
  EXPECT_EQ(two_.signs, signs);  // nobody waits
}

}  // namespace
}  // namespace kvfs::client
