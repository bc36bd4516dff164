// The Nth I/O fails, for every N, once and for ever: over a workload of puts, syncs, flushes,
// compactions and rewrites of blob files, over recovery itself, and over checkpoints.
#include <gtest/gtest.h>

#include "kvcore/engine/db_crash_test_support.h"

namespace kvfs::engine::testing {
namespace {

using env::sim::SimFault;

constexpr uint64_t kSeed = 4712;
constexpr char kCopy[] = "/copy";

SimFault Fault(uint64_t nth, bool for_ever) {
  SimFault fault;
  fault.kinds = env::sim::kAllOps;
  fault.nth = nth;
  fault.for_ever = for_ever;
  fault.code = nth % 3 == 0 ? Code::kNoSpace : Code::kIoError;
  return fault;
}

std::unique_ptr<CrashMachine> NewMachine() {
  auto crash = std::make_unique<CrashMachine>(kSeed);
  crash->options = SmallOptions();
  return crash;
}

uint64_t Operations(CrashMachine* crash) {
  return crash->machine.files->OperationCount(env::sim::kAllOps);
}

// Whatever can be read is right.
void CheckReads(CrashMachine* crash) {
  const Contents expected = crash->history.Expected();
  for (int i = 0; i < 30; ++i) {
    const Bytes key = "k" + std::to_string(i);
    const auto value = crash->db->Get(key);
    const auto at = expected.find(key);
    if (value.ok()) {
      ASSERT_TRUE(at != expected.end() && at->second == *value) << key;
    } else if (value.error().code() == Code::kNotFound) {
      ASSERT_TRUE(at == expected.end()) << key;
    }
  }
}

class DbFaultTest : public ::testing::TestWithParam<bool> {};

TEST_P(DbFaultTest, AtAnyOperationOfAWorkload) {
  const auto bare = NewMachine();
  ASSERT_TRUE(Workload(bare.get()));
  const Stats stats = bare->db->GetStats();
  ASSERT_GT(stats.flushes, 0u);
  ASSERT_GT(stats.compactions, 0u);
  ASSERT_GT(stats.blob_rewrites, 0u);
  const uint64_t operations = Operations(bare.get());
  for (uint64_t n = 1; n <= operations; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n) + " of " + std::to_string(operations));
    const auto crash = NewMachine();
    crash->machine.files->Inject(Fault(n, GetParam()));
    (void)Workload(crash.get());
    if (crash->db != nullptr) {
      ASSERT_NO_FATAL_FAILURE(CheckReads(crash.get()));
    }
    const CrashMode mode = crash->RandomMode();
    crash->Crash(mode);
    const Status opened = crash->Open();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    ASSERT_TRUE(crash->history.Recovered(crash->db.get(), mode));
    ASSERT_TRUE(Workload(crash.get()));
    const Status verified = crash->machine.scheduler->Run(crash->db->Verify());
    ASSERT_TRUE(verified.ok()) << verified.ToString();
  }
}

// What a crash in the midst of everything left is opened while I/Os fail, written to if that goes
// well, and opened again.
TEST_P(DbFaultTest, AtAnyOperationOfRecovery) {
  for (const CrashMode mode : {CrashMode::kProcessDeath, CrashMode::kPowerLoss}) {
    const auto written = NewMachine();
    ASSERT_TRUE(written->Open().ok());
    for (int i = 0; i < 25; ++i) {
      ASSERT_TRUE(written->Write());
      if (i % 6 == 0) {
        ASSERT_TRUE(written->Sync());
        written->machine.scheduler->RunUntilIdle();
      }
    }
    written->Crash(mode);
    const auto again = [&written] {
      auto crash = NewMachine();
      crash->machine.files = written->machine.files->Clone();
      crash->history = written->history;
      return crash;
    };
    const auto bare = again();
    ASSERT_TRUE(bare->Open().ok());
    bare->machine.scheduler->RunUntilIdle();
    const uint64_t operations = Operations(bare.get());
    ASSERT_GT(operations, 50u);
    for (uint64_t n = 1; n <= operations; ++n) {
      SCOPED_TRACE("operation " + std::to_string(n) + " of " + std::to_string(operations));
      const auto crash = again();
      crash->machine.files->Inject(Fault(n, GetParam()));
      if (crash->Open().ok()) {
        crash->machine.scheduler->RunUntilIdle();  // the fault has happened by now
        if (!GetParam()) {
          ASSERT_TRUE(crash->history.Recovered(crash->db.get(), mode));
          for (int i = 0; i < 5 && crash->Write(); ++i) {
            crash->machine.scheduler->RunUntilIdle();
          }
        }
      }
      const CrashMode next = crash->RandomMode();
      crash->Crash(next);
      const Status opened = crash->Open();
      ASSERT_TRUE(opened.ok()) << opened.ToString();
      // The weaker of the two crashes says what may be missing.
      ASSERT_TRUE(
          crash->history.Recovered(crash->db.get(), mode == CrashMode::kPowerLoss ? mode : next));
      const Status verified = crash->machine.scheduler->Run(crash->db->Verify());
      ASSERT_TRUE(verified.ok()) << verified.ToString();
    }
  }
}

// A checkpoint that fails is no store; one that succeeds is whole. The store itself goes on.
TEST_P(DbFaultTest, AtAnyOperationOfACheckpoint) {
  const auto prepare = [] {
    auto crash = NewMachine();
    EXPECT_TRUE(Workload(crash.get()));
    EXPECT_TRUE(crash->Write());
    return crash;
  };
  const auto checkpoint = [](CrashMachine* crash) {
    return crash->machine.scheduler->Run(crash->db->Checkpoint(kCopy));
  };
  const auto bare = prepare();
  const uint64_t before = Operations(bare.get());
  ASSERT_TRUE(checkpoint(bare.get()).ok());
  const uint64_t operations = Operations(bare.get()) - before;
  ASSERT_GT(operations, 20u);
  for (uint64_t n = 1; n <= operations; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n) + " of " + std::to_string(operations));
    const auto crash = prepare();
    const Contents expected = crash->history.Expected();
    crash->machine.files->Inject(Fault(n, GetParam()));
    const bool copied = checkpoint(crash.get()).ok();
    crash->machine.files->ClearFaults();
    const auto is_store = crash->machine.files->Exists(std::string(kCopy) + "/FORMAT");
    ASSERT_TRUE(is_store.ok());
    if (*is_store) {
      auto copy = Db::Open(crash->options, crash->machine.env(), kCopy);
      ASSERT_TRUE(copy.ok()) << copy.error().ToString();
      Contents contents;
      ASSERT_TRUE(ReadAll(copy->get(), {}, &contents));
      ASSERT_TRUE(Same(expected, contents));
    } else {
      ASSERT_FALSE(copied);
    }
    ASSERT_NO_FATAL_FAILURE(CheckReads(crash.get()));
    crash->Crash(CrashMode::kProcessDeath);
    const Status opened = crash->Open();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    ASSERT_TRUE(crash->history.Recovered(crash->db.get(), CrashMode::kProcessDeath));
  }
}

INSTANTIATE_TEST_SUITE_P(OnceAndForEver, DbFaultTest, ::testing::Bool());

}  // namespace
}  // namespace kvfs::engine::testing
