#include "kvcore/client/guarded_peers.h"

#include <gtest/gtest.h>

#include "tests/support/step_env.h"

namespace kvfs::client {
namespace {

using env::NodeId;
using replication::Method;

// Node 2 is silent for as long as it is waited for; the others answer at once.
class SilentTwo final : public replication::Peers {
 public:
  explicit SilentTwo(testing::StepEnv* env) : env_(env) {}
  Task<Result<Bytes>> Call(NodeId to, Method, Bytes, int64_t timeout_micros) override {
    ++calls;
    if (to != 2 || answers) {
      co_return Bytes("answer");
    }
    env_->Advance(timeout_micros);
    co_return Status(Code::kOutcomeUnknown, "no answer");
  }
  int calls = 0;
  bool answers = false;

 private:
  testing::StepEnv* const env_;
};

struct Homes final : replication::Placement {
  std::vector<NodeId> HomesOf(uint32_t) const override { return {1, 2, 3}; }
};

class GuardedPeersTest : public ::testing::Test {
 protected:
  Code Call(NodeId to) {
    return env_.Await(peers_.Call(to, Method::kRead, "question", 5'000'000)).status().code();
  }

  testing::StepEnv env_;
  SilentTwo silent_{&env_};
  Homes homes_;
  GuardedPeers peers_{{.failures_to_avoid = 2, .retry_micros = 200'000}, &silent_, &homes_, &env_};
};

TEST_F(GuardedPeersTest, OneThatIsSilentIsAskedLastAndTriedNowAndThen) {
  EXPECT_EQ(Call(2), Code::kOutcomeUnknown);
  EXPECT_EQ(peers_.HomesOf(0), (std::vector<NodeId>{1, 2, 3}));
  EXPECT_EQ(Call(2), Code::kOutcomeUnknown);
  EXPECT_EQ(peers_.HomesOf(0), (std::vector<NodeId>{1, 3, 2}));
  EXPECT_EQ(silent_.calls, 2);
  EXPECT_EQ(Call(2), Code::kUnavailable);  // nobody waits for it
  EXPECT_EQ(silent_.calls, 2);
  env_.Advance(200'000);
  EXPECT_EQ(Call(2), Code::kOutcomeUnknown);  // a try
  EXPECT_EQ(Call(2), Code::kUnavailable);
  EXPECT_EQ(Call(1), Code::kOk);
}

TEST_F(GuardedPeersTest, OneThatAnswersAgainIsOneOfThem) {
  (void)Call(2);
  (void)Call(2);
  env_.Advance(200'000);
  silent_.answers = true;
  EXPECT_EQ(Call(2), Code::kOk);
  EXPECT_EQ(peers_.HomesOf(0), (std::vector<NodeId>{1, 2, 3}));
  EXPECT_EQ(Call(2), Code::kOk);
}

}  // namespace
}  // namespace kvfs::client
