// The prefix oracle: whatever happens to the machine, the store holds a prefix of the
// writes, with every synced one in it; after the death of the process alone, all that were
// acknowledged.
#include <gtest/gtest.h>

#include "kvcore/engine/db_crash_test_support.h"

namespace kvfs::engine::testing {
namespace {

class DbCrashTest : public ::testing::TestWithParam<uint64_t> {};

// Crashes at random I/Os, in recovery too, several times over.
TEST_P(DbCrashTest, APrefixSurvives) {
  CrashMachine crash(GetParam());
  Machine& machine = crash.machine;
  CrashMode mode = CrashMode::kProcessDeath;
  for (int round = 0; round < 6; ++round) {
    while (machine.OneIn(3)) {  // a crash while opening
      machine.files->Inject(FromNowOn(1 + machine.Below(60)));
      (void)crash.Open();
      const CrashMode next = crash.RandomMode();
      crash.Crash(next);
      if (next != CrashMode::kProcessDeath) {
        mode = next;
      }
    }
    const Status opened = crash.Open();
    ASSERT_TRUE(opened.ok()) << "round " << round << ": " << opened.ToString();
    ASSERT_TRUE(crash.history.Recovered(crash.db.get(), mode)) << "round " << round;
    const Status verified = machine.scheduler->Run(crash.db->Verify());
    ASSERT_TRUE(verified.ok()) << "round " << round << ": " << verified.ToString();
    if (!machine.OneIn(4)) {
      machine.files->Inject(FromNowOn(1 + machine.Below(300)));
    }
    for (uint64_t n = machine.OneIn(3) ? 10 : 0; n > 0; --n) {
      machine.files->Inject(NoSpaceOnce(1 + machine.Below(200)));
    }
    for (int i = 0; i < 150 && crash.Step(); ++i) {
    }
    mode = crash.RandomMode();
    crash.Crash(mode);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DbCrashTest, testing::Seeds(60));

// One short workload that touches everything, stopped or disturbed at each I/O in turn.
class EveryIoTest : public ::testing::TestWithParam<CrashMode> {
 protected:
  static constexpr uint64_t kSeed = 4711;
};

TEST_P(EveryIoTest, CrashThere) {
  for (uint64_t n = 1;; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    CrashMachine crash(kSeed);
    crash.options = SmallOptions();
    crash.machine.files->Inject(FromNowOn(n));
    const bool completed = Workload(&crash);
    crash.Crash(GetParam());
    const Status opened = crash.Open();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    ASSERT_TRUE(crash.history.Recovered(crash.db.get(), GetParam()));
    ASSERT_TRUE(Workload(&crash));
    const Status verified = crash.machine.scheduler->Run(crash.db->Verify());
    ASSERT_TRUE(verified.ok()) << verified.ToString();
    if (completed) {
      EXPECT_GT(n, 100u);
      break;
    }
  }
}

// The Nth I/O fails, and the rest works: the store either goes on or refuses writes, and nothing
// acknowledged is lost.
TEST_P(EveryIoTest, FailThereOnce) {
  CrashMachine bare(kSeed);
  bare.options = SmallOptions();
  ASSERT_TRUE(Workload(&bare));
  const uint64_t operations = bare.machine.files->OperationCount(env::sim::kAllOps);
  EXPECT_GT(operations, 200u);
  for (uint64_t n = 1; n <= operations; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    CrashMachine crash(kSeed);
    crash.options = SmallOptions();
    crash.machine.files->Inject(Once(n));
    const bool completed = Workload(&crash);
    if (crash.db != nullptr && !completed) {
      // Reads go on, or say why not.
      Contents contents;
      (void)ReadAll(crash.db.get(), {}, &contents);
    }
    crash.Crash(GetParam());
    const Status opened = crash.Open();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    ASSERT_TRUE(crash.history.Recovered(crash.db.get(), GetParam()));
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, EveryIoTest,
                         ::testing::Values(CrashMode::kProcessDeath, CrashMode::kPowerLoss,
                                           CrashMode::kPowerLossMinimum));

}  // namespace
}  // namespace kvfs::engine::testing
