#include "kvcore/engine/sync_group.h"

#include <gtest/gtest.h>

#include <optional>

#include "kvcore/env/sim/sim_scheduler.h"

namespace kvfs::engine {
namespace {

// The work is done inline, so the only way for others to come meanwhile is from within it.
class SyncGroupTest : public ::testing::Test {
 protected:
  Result<uint64_t> Work() {
    ++rounds_;
    const uint64_t covered = written_;
    if (during_) {
      const auto during = std::exchange(during_, {});
      during();
    }
    if (!failure_.ok()) {
      return failure_;
    }
    return covered;
  }

  env::sim::SimScheduler scheduler_{1, false};
  int rounds_ = 0;
  uint64_t written_ = 0;
  Status failure_;
  std::function<void()> during_;
  std::vector<Task<Status>> followers_;
  SyncGroup group_{&scheduler_, [this] { return Work(); }};
};

TEST_F(SyncGroupTest, AlreadyDurableCostsNothing) {
  written_ = 5;
  EXPECT_TRUE(scheduler_.Run(group_.Sync(5)).ok());
  EXPECT_TRUE(scheduler_.Run(group_.Sync(4)).ok());
  EXPECT_EQ(rounds_, 1);
  group_.Advance(9);
  EXPECT_TRUE(scheduler_.Run(group_.Sync(9)).ok());
  EXPECT_EQ(rounds_, 1);
}

TEST_F(SyncGroupTest, FollowersShareALaterRound) {
  written_ = 1;
  during_ = [this] {
    followers_.push_back(group_.Sync(1));  // covered by the round under way
    written_ = 4;
    followers_.push_back(group_.Sync(2));  // these are not
    followers_.push_back(group_.Sync(3));
    followers_.push_back(group_.Sync(4));
  };
  Task<Status> leader = group_.Sync(1);
  EXPECT_TRUE(leader.IsDone());
  EXPECT_TRUE(leader.TakeValue().ok());
  for (Task<Status>& follower : followers_) {
    EXPECT_FALSE(follower.IsDone());
  }
  scheduler_.RunUntilIdle();
  for (Task<Status>& follower : followers_) {
    ASSERT_TRUE(follower.IsDone());
    EXPECT_TRUE(follower.TakeValue().ok());
  }
  EXPECT_EQ(rounds_, 2);
  EXPECT_EQ(group_.SyncedPosition(), 4u);
}

// The next round does not wait until those of the last one have been woken, and the one after it
// needs nobody to be woken at all.
TEST_F(SyncGroupTest, RoundsFollowEachOtherWhileSomebodyWaits) {
  written_ = 1;
  during_ = [this] {
    followers_.push_back(group_.Sync(1));
    written_ = 2;
    followers_.push_back(group_.Sync(2));
    during_ = [this] {
      written_ = 3;
      followers_.push_back(group_.Sync(3));
    };
  };
  EXPECT_TRUE(group_.Sync(1).IsDone());
  EXPECT_EQ(rounds_, 1);
  int tasks = 1;
  (void)scheduler_.RunUntil([&tasks] { return tasks-- == 0; }, 0);
  EXPECT_EQ(rounds_, 3);
  EXPECT_EQ(group_.SyncedPosition(), 3u);
  EXPECT_FALSE(followers_[0].IsDone());
  scheduler_.RunUntilIdle();
  for (Task<Status>& follower : followers_) {
    ASSERT_TRUE(follower.IsDone());
    EXPECT_TRUE(follower.TakeValue().ok());
  }
  EXPECT_EQ(rounds_, 3);
}

TEST_F(SyncGroupTest, AFailureOfALaterRoundIsToldToo) {
  written_ = 1;
  during_ = [this] {
    written_ = 2;
    followers_.push_back(group_.Sync(2));
    during_ = [this] {
      failure_ = Status::IoError("gone");
      written_ = 3;
      followers_.push_back(group_.Sync(3));
    };
  };
  EXPECT_TRUE(scheduler_.Run(group_.Sync(1)).ok());
  scheduler_.RunUntilIdle();
  for (Task<Status>& follower : followers_) {
    ASSERT_TRUE(follower.IsDone());
    EXPECT_EQ(follower.TakeValue().code(), Code::kIoError);
  }
  EXPECT_EQ(rounds_, 2);
  EXPECT_EQ(group_.SyncedPosition(), 1u);
}

TEST_F(SyncGroupTest, AFailureIsToldToAllWhoWait) {
  written_ = 1;
  failure_ = Status::IoError("gone");
  during_ = [this] {
    followers_.push_back(group_.Sync(1));
    followers_.push_back(group_.Sync(1));
  };
  EXPECT_EQ(scheduler_.Run(group_.Sync(1)).code(), Code::kIoError);
  scheduler_.RunUntilIdle();
  for (Task<Status>& follower : followers_) {
    ASSERT_TRUE(follower.IsDone());
    EXPECT_EQ(follower.TakeValue().code(), Code::kIoError);
  }
  EXPECT_EQ(group_.SyncedPosition(), 0u);
}

}  // namespace
}  // namespace kvfs::engine
