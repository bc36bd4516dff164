#include "tools/mount/restart_policy.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

TEST(RestartPolicy, GivesUpOnlyWhenCrashesAreFrequent) {
  RestartPolicy policy;
  int64_t now = 0;
  int64_t last_delay = 0;
  for (int i = 0; i < RestartPolicy::kMaxCrashes; ++i) {
    auto delay = policy.OnCrash(now);
    ASSERT_TRUE(delay.has_value());
    EXPECT_GT(*delay, last_delay);
    last_delay = *delay;
    now += 1000;
  }
  EXPECT_FALSE(policy.OnCrash(now).has_value());
}

TEST(RestartPolicy, ForgetsOldCrashes) {
  RestartPolicy policy;
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(policy.OnCrash(i * RestartPolicy::kWindowMillis), RestartPolicy::kFirstDelayMillis);
  }
}

}  // namespace
}  // namespace kvfs::tools
