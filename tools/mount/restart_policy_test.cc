#include "tools/mount/restart_policy.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

TEST(RestartPolicy, WaitsLongerEachTimeUpToABound) {
  RestartPolicy policy;
  int64_t now = 1'000'000;
  int64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const int64_t delay = policy.OnFailure(now);
    EXPECT_TRUE(delay == 2 * last || delay == RestartPolicy::kLongestDelayMillis || last == 0);
    EXPECT_LE(delay, RestartPolicy::kLongestDelayMillis);
    last = delay;
    now += delay + 10;
  }
  EXPECT_EQ(last, RestartPolicy::kLongestDelayMillis);
}

TEST(RestartPolicy, ForgetsOldFailures) {
  RestartPolicy policy;
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(policy.OnFailure(i * RestartPolicy::kForgottenMillis),
              RestartPolicy::kFirstDelayMillis);
  }
}

TEST(RestartPolicy, KnowsWhatDoesNotHeal) {
  for (Code code :
       {Code::kIoError, Code::kNoSpace, Code::kReadOnly, Code::kBusy, Code::kNotFound}) {
    EXPECT_TRUE(MayHeal(code)) << CodeName(code);
  }
  for (Code code : {Code::kCorruption, Code::kInvalidArgument, Code::kAlreadyExists}) {
    EXPECT_FALSE(MayHeal(code)) << CodeName(code);
  }
}

}  // namespace
}  // namespace kvfs::tools
