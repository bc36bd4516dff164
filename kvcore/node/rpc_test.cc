// Requests and replies over the simulated network.
#include "kvcore/node/rpc.h"

#include <gtest/gtest.h>

#include "kvcore/env/sim/sim_world.h"

namespace kvfs::node {
namespace {

using replication::Method;

constexpr int64_t kSecond = 1'000'000;

class RpcTest : public ::testing::Test {
 protected:
  RpcTest() : world_({.seed = 3, .machines = 2}) {}
  ~RpcTest() override {
    Close(&one_);
    Close(&two_);
  }

  void StartOne(uint64_t life = 1) {
    one_ = std::make_unique<Rpc>(world_.machine(0).env(), 1, life);
    one_->Start(Echo(&served_by_one_));
  }
  void StartTwo(uint64_t life = 1) {
    two_ = std::make_unique<Rpc>(world_.machine(1).env(), 2, life);
    two_->Start(Echo(&served_by_two_));
  }
  void Close(std::unique_ptr<Rpc>* rpc) {
    if (*rpc != nullptr) {
      Task<void> closed = (*rpc)->Close();
      ASSERT_TRUE(world_.scheduler().RunUntil([&] { return closed.IsDone(); }));
      closed.TakeValue();
      rpc->reset();
    }
  }
  Result<Bytes> Call(env::NodeId to, Bytes body) {
    return world_.Run(one_->Call(to, Method::kRead, std::move(body), kSecond));
  }

  static Rpc::Handler Echo(int* served) {
    return [served](env::NodeId from, Method, Bytes body) -> Task<Result<Bytes>> {
      ++*served;
      if (body == "fail") {
        co_return Status::NoSpace("full");
      }
      co_return std::to_string(from) + ":" + body;
    };
  }

  env::sim::SimWorld world_;
  std::unique_ptr<Rpc> one_, two_;
  int served_by_one_ = 0;
  int served_by_two_ = 0;
};

TEST_F(RpcTest, AnswersAndErrorsComeBack) {
  StartOne();
  StartTwo();
  EXPECT_EQ(Call(2, "hello").value(), "1:hello");
  const auto failed = Call(2, "fail");
  EXPECT_EQ(failed.status().code(), Code::kNoSpace);
  EXPECT_EQ(failed.status().message(), "full");
  EXPECT_EQ(served_by_two_, 2);
  EXPECT_EQ(Call(1, "self").value(), "1:self");
  EXPECT_EQ(Call(9, "nobody").status().code(), Code::kUnavailable);
}

TEST_F(RpcTest, SilenceIsAnUnknownOutcome) {
  StartOne();
  StartTwo();
  world_.bus().Cut(2, 1);
  EXPECT_EQ(Call(2, "hello").status().code(), Code::kOutcomeUnknown);
}

TEST_F(RpcTest, WhatTheNetworkRepeatsIsServedOnce) {
  StartOne();
  StartTwo();
  world_.bus().SetDefaultLink({.max_delay_micros = 50'000, .duplication = 1});
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(Call(2, "hello").ok());
  }
  world_.RunFor(kSecond);
  EXPECT_EQ(served_by_two_, 100);
}

TEST_F(RpcTest, ARequestForAnEarlierLifeIsNotServedAndTheNextOneIs) {
  StartOne();
  StartTwo(1);
  EXPECT_TRUE(Call(2, "hello").ok());
  Close(&two_);
  StartTwo(2);
  EXPECT_EQ(Call(2, "again").status().code(), Code::kOutcomeUnknown);
  EXPECT_LT(world_.scheduler().NowMicros(), kSecond);  // at once, not after the time-out
  EXPECT_EQ(Call(2, "once more").value(), "1:once more");
  EXPECT_EQ(served_by_two_, 2);
}

// The first life serves it, the reply is lost, and a copy of the request reaches the next life.
TEST_F(RpcTest, WhatOneLifeServedTheNextDoesNotServeAgain) {
  StartOne();
  StartTwo(1);
  EXPECT_TRUE(Call(2, "hello").ok());
  const uint64_t number = 3;  // the first call took two: its peer's life was not known
  world_.bus().Cut(2, 1);
  Task<Result<Bytes>> call = one_->Call(2, Method::kRead, "once", kSecond);
  world_.RunFor(kSecond / 10);
  ASSERT_EQ(served_by_two_, 2);
  Close(&two_);
  StartTwo(2);
  world_.bus().Mend(2, 1);
  pb::RpcHeader copy;
  copy.set_number(number);
  copy.set_sender_life(1);
  copy.set_receiver_life(1);
  copy.set_method(static_cast<uint32_t>(Method::kRead));
  env::Message message{.from = 1, .to = 2, .header = copy.SerializeAsString()};
  message.data.emplace_back("once");
  ASSERT_TRUE(world_.bus().Send(std::move(message)).ok());
  world_.RunFor(kSecond / 10);
  ASSERT_TRUE(call.IsDone());  // of this very call: the number is right
  EXPECT_EQ(call.TakeValue().status().code(), Code::kOutcomeUnknown);
  EXPECT_EQ(served_by_two_, 2);
}

TEST_F(RpcTest, ADelayedRequestDoesNotReachTheNextLife) {
  StartOne();
  StartTwo(1);
  EXPECT_TRUE(Call(2, "hello").ok());
  world_.bus().SetLink(1, 2, {.min_delay_micros = kSecond / 2, .max_delay_micros = kSecond / 2});
  world_.bus().Cut(2, 1);
  Task<Result<Bytes>> call = one_->Call(2, Method::kRead, "late", kSecond / 4);
  Close(&two_);
  StartTwo(2);
  world_.RunFor(2 * kSecond);
  ASSERT_TRUE(call.IsDone());
  EXPECT_EQ(call.TakeValue().status().code(), Code::kOutcomeUnknown);
  EXPECT_EQ(served_by_two_, 1);
}

TEST_F(RpcTest, ClosingAnswersWhoWaits) {
  StartOne();
  StartTwo();
  world_.bus().Cut(1, 2);
  Task<Result<Bytes>> call = one_->Call(2, Method::kRead, "hello", 1000 * kSecond);
  Close(&one_);
  world_.RunUntilIdle();
  ASSERT_TRUE(call.IsDone());
  EXPECT_EQ(call.TakeValue().status().code(), Code::kOutcomeUnknown);
}

TEST_F(RpcTest, RequestsByAnotherLayoutAreRefused) {
  StartOne();
  StartTwo();
  one_->SetLayout({{.number = 1, .hash = 7}, false});
  EXPECT_TRUE(Call(2, "hello").ok());  // the other has none to compare with
  two_->SetLayout({{.number = 1, .hash = 8}, false});
  const auto refused = Call(2, "hello");
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("different members"), std::string::npos);
  EXPECT_EQ(served_by_two_, 1);
  // What is asked to find out.
  EXPECT_TRUE(world_.Run(one_->Call(2, Method::kMembers, "hello", kSecond)).ok());
  two_->SetLayout({{.number = 2, .hash = 9}, false});
  EXPECT_EQ(Call(2, "hello").status().code(), Code::kBusy);
  one_->SetLayout({{.number = 2, .hash = 9}, true});
  EXPECT_EQ(Call(2, "hello").status().code(), Code::kBusy);  // in a transition, the other after it
  one_->SetLayout({{.number = 2, .hash = 9}, false});
  EXPECT_TRUE(Call(2, "hello").ok());
}

}  // namespace
}  // namespace kvfs::node
