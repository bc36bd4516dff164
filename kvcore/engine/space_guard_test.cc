#include "kvcore/engine/space_guard.h"

#include <gtest/gtest.h>

#include "kvcore/engine/db_test_support.h"

namespace kvfs::engine::testing {
namespace {

constexpr uint64_t kMiB = 1u << 20;

class SpaceGuardTest : public ::testing::Test {
 protected:
  SpaceGuard Make(uint64_t reserve, uint64_t capacity) {
    Options options;
    options.reserve_bytes = reserve;
    options.capacity_bytes = capacity;
    return SpaceGuard(options, machine_.env(), "/");
  }
  // What may be written after a check until the next is due.
  static uint64_t Credit(SpaceGuard* guard) {
    uint64_t bytes = 0;
    while (guard->TakeCredit(100)) {
      bytes += 100;
    }
    return bytes;
  }

  Machine machine_{1};
};

TEST_F(SpaceGuardTest, ThereIsNoCreditBeforeACheckAndAfterItIsDropped) {
  SpaceGuard guard = Make(kMiB, 0);
  EXPECT_FALSE(guard.TakeCredit(1));
  ASSERT_TRUE(guard.Check(1, false, 0, 0).ok());
  EXPECT_TRUE(guard.TakeCredit(1));
  guard.DropCredit();
  EXPECT_FALSE(guard.TakeCredit(1));
}

TEST_F(SpaceGuardTest, CreditIsUsedUp) {
  SpaceGuard guard = Make(kMiB, 0);
  ASSERT_TRUE(guard.Check(1, false, 0, 0).ok());
  const uint64_t credit = Credit(&guard);
  EXPECT_GT(credit, 16u << 10);
  EXPECT_LT(credit, kMiB);
  EXPECT_FALSE(guard.TakeCredit(100));
  ASSERT_TRUE(guard.Check(1, false, 0, 0).ok());
  EXPECT_EQ(Credit(&guard), credit);
}

TEST_F(SpaceGuardTest, NearTheBoundCreditIsAPartOfWhatIsLeft) {
  SpaceGuard guard = Make(0, 8 * kMiB);
  uint64_t own = 0;
  uint64_t checks = 0;
  while (guard.Check(100, false, own, 0).ok()) {
    ++checks;
    own += 100 + Credit(&guard);
    ASSERT_LE(own, 8 * kMiB);
  }
  EXPECT_GT(own, 8 * kMiB - 8192);
  EXPECT_GT(checks, 20u);
  EXPECT_FALSE(guard.TakeCredit(1));
}

TEST_F(SpaceGuardTest, AFullDiskGivesNone) {
  SpaceGuard guard = Make(kMiB, 0);
  ASSERT_TRUE(guard.Check(1, false, 0, 0).ok());
  machine_.files->SetCapacity(kMiB / 2);
  guard.NoteWritten(8 * kMiB);  // so that the disk is asked again
  EXPECT_EQ(guard.Check(1, false, 0, 0).code(), Code::kNoSpace);
  EXPECT_FALSE(guard.TakeCredit(1));
  EXPECT_TRUE(guard.Check(1, true, 0, 0).ok());
}

}  // namespace
}  // namespace kvfs::engine::testing
