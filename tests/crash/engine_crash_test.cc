// The prefix oracle. A machine stops at any moment, or an I/O fails: what the store holds when it
// is opened again is a prefix of the writes, in their order, with every synced one in it (after
// the death of the process: every one that returned), and it goes on from there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include "kvcore/engine/db.h"
#include "kvcore/env/sim/sim_world.h"
#include "tests/crash/engine_script.h"

namespace kvfs::engine {
namespace {

using env::sim::CrashMode;
using env::sim::SimFault;
using env::sim::SimFileSystem;
using env::sim::SimRandom;
using env::sim::SimWorld;
using env::sim::Uniform;

constexpr char kDirectory[] = "/store";

Options RandomOptions(uint64_t seed) {
  SimRandom random(seed * 7919 + 1);
  Options options;
  options.memtable_bytes = (uint64_t{1} << 10) << Uniform(random, 6);
  options.block_cache_bytes = 64u << 10;
  options.block_bytes = 64u << Uniform(random, 5);
  options.blob_threshold_bytes = Uniform(random, 2) == 0 ? 128 : 4096;
  options.blob_file_bytes = 64u << 10;
  options.table_bytes = (4u << 10) << Uniform(random, 3);
  options.level1_bytes = (4u << 10) << Uniform(random, 3);
  options.level0_tables = 2 + static_cast<uint32_t>(Uniform(random, 3));
  options.background_sync_micros = Uniform(random, 2) == 0 ? 0 : 20'000;
  options.reserve_bytes = 0;
  return options;
}

// What is known about the writes, and what may be found after a stop.
struct History {
  std::vector<uint64_t> returned;  // numbers of the writes that returned OK, in order
  size_t synced = 0;               // so many of them are durable
  std::optional<uint64_t> maybe;   // the last one, if it failed
  Contents After(uint64_t seed, size_t count, bool with_maybe) const {
    Contents contents;
    for (size_t i = 0; i < count + (with_maybe ? 1 : 0); ++i) {
      Apply(Changes(seed, i < count ? returned[i] : *maybe), &contents);
    }
    return contents;
  }
};

class Workload {
 public:
  Workload(uint64_t seed, std::unique_ptr<SimFileSystem> files, uint64_t boot)
      : seed_(seed), world_({.seed = seed * 31 + boot, .shuffle = true}) {
    if (files != nullptr) {
      world_.machine(0).SetFiles(std::move(files));
    }
  }
  ~Workload() { Close(); }

  SimFileSystem& files() { return world_.files(); }
  Db* db() { return db_.get(); }
  SimWorld& world() { return world_; }

  Status Open() {
    auto opened = Db::Open(RandomOptions(seed_), world_.env(), kDirectory);
    KVFS_RETURN_IF_ERROR(opened.status());
    db_ = std::move(*opened);
    return {};
  }
  void Close() {
    db_.reset();
    world_.RunUntilIdle();
  }

  Status WriteOne(uint64_t number, History* history) {
    KVFS_RETURN_IF_ERROR(world_.Run(db_->Admit(1000)));
    history->maybe = number;
    const auto position = engine::Write(db_.get(), Changes(seed_, number));
    KVFS_RETURN_IF_ERROR(position.status());
    history->returned.push_back(number);
    history->maybe.reset();
    return {};
  }

  Status SyncAll(History* history) {
    const size_t count = history->returned.size();
    KVFS_RETURN_IF_ERROR(world_.Run(db_->Sync(db_->LastPosition())));
    history->synced = count;
    return {};
  }

  // Writes `count` batches with syncs, pauses and compactions between them. Stops at an error.
  Status Write(uint64_t first, uint64_t count, History* history) {
    SimRandom random(seed_ + first);
    for (uint64_t number = first; number < first + count; ++number) {
      KVFS_RETURN_IF_ERROR(WriteOne(number, history));
      switch (Uniform(random, 12)) {
        case 0:
        case 1:
          KVFS_RETURN_IF_ERROR(SyncAll(history));
          break;
        case 2:
          world_.RunFor(30'000);
          break;
        case 3:
          world_.RunUntilIdle();
          break;
        case 4:
          if (Uniform(random, 4) == 0) {
            KVFS_RETURN_IF_ERROR(world_.Run(db_->CompactAll()));
          }
          break;
        default:
          break;
      }
    }
    return {};
  }

  // Takes the disk out, as the crash leaves it.
  std::unique_ptr<SimFileSystem> Crash(CrashMode mode, SimRandom* random) {
    Close();
    auto files = world_.files().Clone();
    files->Crash(*random, mode);
    return files;
  }

 private:
  const uint64_t seed_;
  SimWorld world_;
  std::unique_ptr<Db> db_;
};

constexpr uint64_t kWrites = 60;

// After the stop: opens (perhaps stopped again while doing so), compares with the history, goes on
// writing, loses power once more, and compares again.
void CheckAfter(uint64_t seed, std::unique_ptr<SimFileSystem> files, CrashMode mode,
                const History& history, SimRandom* random) {
  if (Uniform(*random, 3) == 0) {
    Workload again(seed, std::move(files), 2);
    again.files().PowerOffAt(1 + Uniform(*random, 60));
    (void)again.Open();
    files = again.Crash(mode, random);
  }
  Workload after(seed, std::move(files), 3);
  const Status opened = after.Open();
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  auto contents = ReadAll(after.db());
  ASSERT_TRUE(contents.ok()) << contents.error().ToString();

  // Which prefix is it?
  History found;
  const auto number = contents->find(kNumberKey);
  bool with_maybe = false;
  if (number != contents->end()) {
    const uint64_t last = std::stoull(number->second);
    with_maybe = history.maybe == last;
    for (const uint64_t returned : history.returned) {
      found.returned.push_back(returned);
      if (returned == last) {
        break;
      }
    }
    ASSERT_TRUE(with_maybe || found.returned.back() == last) << last;
  }
  ASSERT_GE(found.returned.size(), history.synced);
  if (mode == CrashMode::kProcessDeath) {
    ASSERT_EQ(found.returned.size(), history.returned.size());
  }
  ASSERT_TRUE(*contents == history.After(seed, found.returned.size(), with_maybe))
      << "not the state after " << found.returned.size() << " writes";
  const Status verified = after.world().Run(after.db()->Verify());
  ASSERT_TRUE(verified.ok()) << verified.ToString();

  if (with_maybe) {
    found.returned.push_back(*history.maybe);
  }
  const Status written = after.Write(1000, 10, &found);
  ASSERT_TRUE(written.ok()) << written.ToString();
  ASSERT_TRUE(after.SyncAll(&found).ok());
  Workload last(seed, after.Crash(CrashMode::kPowerLossMinimum, random), 4);
  const Status reopened = last.Open();
  ASSERT_TRUE(reopened.ok()) << reopened.ToString();
  contents = ReadAll(last.db());
  ASSERT_TRUE(contents.ok()) << contents.error().ToString();
  ASSERT_TRUE(*contents == found.After(seed, found.returned.size(), false));
}

class EngineCrash : public ::testing::TestWithParam<uint64_t> {
 protected:
  uint64_t Operations() {
    Workload whole(GetParam(), nullptr, 1);
    History history;
    EXPECT_TRUE(whole.Open().ok());
    EXPECT_TRUE(whole.Write(1, kWrites, &history).ok());
    EXPECT_EQ(history.returned.size(), kWrites);
    whole.Close();
    return whole.files().OperationCount();
  }
};

TEST_P(EngineCrash, AtAnyOperationTheStateIsAPrefix) {
  const uint64_t seed = GetParam();
  const uint64_t operations = Operations();
  SimRandom random(seed);
  for (uint64_t nth = 1; nth <= operations + 1; ++nth) {
    const CrashMode mode = nth % 4 == 0   ? CrashMode::kProcessDeath
                           : nth % 4 == 1 ? CrashMode::kPowerLossMinimum
                                          : CrashMode::kPowerLoss;
    SCOPED_TRACE("stopped at operation " + std::to_string(nth) + " of " +
                 std::to_string(operations) + ", mode " + std::to_string(static_cast<int>(mode)));
    Workload workload(seed, nullptr, 1);
    workload.files().PowerOffAt(nth);
    History history;
    if (workload.Open().ok()) {
      (void)workload.Write(1, kWrites, &history);
    }
    auto files = workload.Crash(mode, &random);
    CheckAfter(seed, std::move(files), mode, history, &random);
    if (HasFatalFailure()) {
      return;
    }
  }
}

// The Nth I/O fails, once or for ever. Writes that return an error are not seen afterwards; what
// returned OK stays readable; after a new start the state is a prefix.
TEST_P(EngineCrash, AFailingOperationLosesNothingThatReturned) {
  const uint64_t seed = GetParam();
  const uint64_t operations = Operations();
  SimRandom random(seed + 100);
  for (uint64_t nth = 1; nth <= operations; ++nth) {
    SimFault fault;
    fault.nth = nth;
    fault.for_ever = nth % 2 == 0;
    fault.code = nth % 3 == 0 ? Code::kNoSpace : Code::kIoError;
    SCOPED_TRACE("operation " + std::to_string(nth) + " of " + std::to_string(operations) +
                 (fault.for_ever ? " and all after it fail" : " fails") + " with " +
                 std::string(CodeName(fault.code)));
    Workload workload(seed, nullptr, 1);
    workload.files().Inject(fault);
    History history;
    if (workload.Open().ok()) {
      // After an error the workload goes on where it can: the disk may have room again.
      for (uint64_t number = 1; number <= kWrites; ++number) {
        (void)workload.Write(number, 1, &history);
      }
      auto contents = ReadAll(workload.db());
      ASSERT_TRUE(contents.ok()) << contents.error().ToString();
      ASSERT_TRUE(*contents == history.After(seed, history.returned.size(), false));
    }
    const CrashMode mode = nth % 5 == 0 ? CrashMode::kProcessDeath : CrashMode::kPowerLoss;
    auto files = workload.Crash(mode, &random);
    CheckAfter(seed, std::move(files), mode, history, &random);
    if (HasFatalFailure()) {
      return;
    }
  }
}

// Seeds from the environment: "FIRST COUNT" in KVFS_CRASH_SEEDS.
std::vector<uint64_t> Seeds() {
  uint64_t first = 1;
  uint64_t count = std::getenv("KVFS_LONG") != nullptr ? 60 : 8;
  if (const char* asked = std::getenv("KVFS_CRASH_SEEDS")) {
    std::istringstream(asked) >> first >> count;
  }
  std::vector<uint64_t> seeds;
  for (uint64_t i = 0; i < count; ++i) {
    seeds.push_back(first + i);
  }
  return seeds;
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineCrash, ::testing::ValuesIn(Seeds()));

}  // namespace
}  // namespace kvfs::engine
