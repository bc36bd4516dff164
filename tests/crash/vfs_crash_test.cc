// The whole filesystem above the disk, in the simulator: a script is cut at each of its
// I/Os, by the death of the process or by a loss of power. What is found afterwards must
// be exactly the tree after some prefix of the script: one that holds every step
// acknowledged (process death) or every step before the last acknowledged fsync (power
// loss), and at most the step that was cut. And the checkers find nothing to complain of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "fs/meta/fsck.h"
#include "kvcore/node/node.h"
#include "kvcore/node/store_check.h"
#include "tests/crash/fs_script.h"

namespace kvfs::fs::crash {
namespace {

using env::sim::CrashMode;
using env::sim::SimWorld;
using Kind = Step::Kind;

constexpr Credentials kRootUser{};

// Small enough that a short script flushes, compacts and changes logs.
engine::Options SmallEngine() {
  engine::Options options;
  options.memtable_bytes = 16u << 10;
  options.block_cache_bytes = 256u << 10;
  options.block_bytes = 512;
  options.blob_file_bytes = 256u << 10;
  options.table_bytes = 16u << 10;
  options.level1_bytes = 64u << 10;
  options.reserve_bytes = 0;
  return options;
}

// One machine with the filesystem mounted on it.
class Machine {
 public:
  explicit Machine(uint64_t seed) : world_({.seed = seed}) {}
  ~Machine() { PullDown(); }

  SimWorld& world() { return world_; }
  FsDriver& fs() { return *driver_; }

  ::testing::AssertionResult Boot() {
    auto node = world_.Run(node::Node::Open(SmallEngine(), world_.env(), "/data"));
    if (!node.ok()) {
      return ::testing::AssertionFailure() << node.status().ToString();
    }
    node_ = std::move(*node);
    vfs_ = Vfs::Create(VfsOptions{}, node_->client(), world_.env());
    const Errno started = world_.Run(vfs_->Start(kRootUser));
    if (!started.ok()) {
      return ::testing::AssertionFailure() << "start: errno " << started.value();
    }
    driver_ = std::make_unique<FsDriver>(&world_, vfs_.get());
    return ::testing::AssertionSuccess();
  }

  void PullDown() {
    driver_.reset();
    if (vfs_ != nullptr) {
      (void)world_.Run(vfs_->Stop());  // fails where the power is off
      vfs_.reset();
    }
    node_.reset();
    world_.RunUntilIdle();
  }

  // Both checkers; the tree must be at rest.
  void Check() {
    const auto pks = node::ListPartitionKeys(node_->store());
    ASSERT_TRUE(pks.ok()) << pks.status().ToString();
    auto report =
        world_.Run(CheckFilesystem(node_->client(), world_.env(), HomesAmong(*pks), false));
    ASSERT_TRUE(report.ok()) << "fsck: errno " << report.error().value();
    for (const FsckProblem& problem : report->problems) {
      ADD_FAILURE() << KindName(problem.kind) << " " << problem.where << ": " << problem.text;
    }
    const auto store = node::CheckStore(node_->identity(), {}, node_->store());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    for (const node::StoreProblem& problem : store->problems) {
      if (problem.kind != "leftover-state") {
        ADD_FAILURE() << problem.kind << ": " << problem.message;
      }
    }
  }

 private:
  SimWorld world_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<Vfs> vfs_;
  std::unique_ptr<FsDriver> driver_;
};

struct Expectation {
  std::vector<Tree> trees;   // trees[i]: after the first i steps
  std::vector<int> results;  // errno of each step
};

Expectation RunWhole(const std::vector<Step>& script, uint64_t seed, uint64_t* io_count) {
  Expectation expected;
  Machine machine(seed);
  EXPECT_TRUE(machine.Boot());
  const uint64_t before = machine.world().files().OperationCount();
  int error = 0;
  expected.trees.push_back(machine.fs().ReadTree(&error));
  EXPECT_EQ(error, 0);
  for (const Step& step : script) {
    expected.results.push_back(machine.fs().Do(step));
    expected.trees.push_back(machine.fs().ReadTree(&error));
    EXPECT_EQ(error, 0) << "after " << ToString(step);
  }
  *io_count = machine.world().files().OperationCount() - before;
  return expected;
}

// Cuts the script at its nth I/O.
void CutAt(const std::vector<Step>& script, const Expectation& expected, uint64_t seed,
           uint64_t nth, CrashMode mode) {
  Machine machine(seed);
  ASSERT_TRUE(machine.Boot());
  machine.world().files().PowerOffAt(nth);
  size_t done = 0;
  size_t durable = 0;
  for (; done < script.size(); ++done) {
    const int result = machine.fs().Do(script[done]);
    if (machine.world().files().IsOff() && result != expected.results[done]) {
      break;
    }
    ASSERT_EQ(result, expected.results[done]) << "step " << done << ": " << ToString(script[done]);
    if (script[done].kind == Kind::kFsync && result == 0) {
      durable = done + 1;
    }
  }
  machine.PullDown();
  machine.world().files().Crash(machine.world().random(), mode);
  ASSERT_TRUE(machine.Boot());
  int error = 0;
  const Tree found = machine.fs().ReadTree(&error);
  ASSERT_EQ(error, 0);

  const size_t oldest = mode == CrashMode::kProcessDeath ? done : durable;
  const size_t newest = std::min(done + 1, script.size());
  const auto begin = expected.trees.begin();
  if (std::find(begin + static_cast<ptrdiff_t>(oldest), begin + static_cast<ptrdiff_t>(newest) + 1,
                found) == begin + static_cast<ptrdiff_t>(newest) + 1) {
    std::string tree;
    for (const auto& [path, text] : found) {
      tree += "\n  " + path + ": " + text;
    }
    FAIL() << "not a prefix of the script between step " << oldest << " and " << newest << ": "
           << (newest < script.size() ? ToString(script[newest - 1]) : "end") << "; found:" << tree;
  }
  machine.world().RunFor(60'000'000);  // orphans are reclaimed
  machine.Check();
}

void CutEverywhere(const std::vector<Step>& script, uint64_t seed, uint64_t stride = 1) {
  uint64_t io_count = 0;
  const Expectation expected = RunWhole(script, seed, &io_count);
  ASSERT_GT(io_count, 0u);
  for (uint64_t nth = 1 + seed % stride; nth <= io_count + 1; nth += stride) {
    for (const CrashMode mode :
         {CrashMode::kProcessDeath, CrashMode::kPowerLoss, CrashMode::kPowerLossMinimum}) {
      CutAt(script, expected, seed, nth, mode);
      if (::testing::Test::HasFailure()) {
        FAIL() << "seed " << seed << ", cut at I/O " << nth << " of " << io_count << ", mode "
               << static_cast<int>(mode);
      }
    }
  }
}

struct Pattern {
  const char* name;
  std::vector<Step> script;
};

Step Create(std::string path) { return {.kind = Kind::kCreate, .path = std::move(path)}; }
Step Mkdir(std::string path) { return {.kind = Kind::kMkdir, .path = std::move(path)}; }
Step Unlink(std::string path) { return {.kind = Kind::kUnlink, .path = std::move(path)}; }
Step Fsync(std::string path) { return {.kind = Kind::kFsync, .path = std::move(path)}; }
Step WriteAt(std::string path, uint64_t offset, uint64_t size, uint64_t fill) {
  return {
      .kind = Kind::kWrite, .path = std::move(path), .offset = offset, .size = size, .fill = fill};
}
Step Two(Kind kind, std::string path, std::string to) {
  return {.kind = kind, .path = std::move(path), .to = std::move(to)};
}
Step Rest(uint64_t micros) { return {.kind = Kind::kRest, .size = micros}; }

const std::vector<Pattern>& Patterns() {
  static const std::vector<Pattern> patterns = {
      {"OverwriteSmall",
       {Create("f"), WriteAt("f", 0, 3000, 1), Fsync("f"), WriteAt("f", 0, 3000, 2),
        WriteAt("f", 1000, 2500, 3), Fsync("f"), WriteAt("f", 0, 100, 4)}},
      {"OverwriteLarge",
       {Create("f"), WriteAt("f", 0, 700'000, 1), Fsync("f"), WriteAt("f", 100'000, 300'000, 2),
        WriteAt("f", 4096, 4096, 3), Fsync("f"), WriteAt("f", 650'000, 900'000, 4), Fsync("f")}},
      {"DatabasePages",
       {Create("db"), WriteAt("db", 0, 262'144, 1), Fsync("db"), WriteAt("db", 8192, 4096, 2),
        Fsync("db"), WriteAt("db", 12288, 4096, 3), Fsync("db"), WriteAt("db", 16384, 4096, 4),
        Fsync("db"), WriteAt("db", 20480, 20480, 5), Fsync("db"), WriteAt("db", 8192, 4096, 6),
        Fsync("db")}},
      {"Append",
       {Create("log"),
        WriteAt("log", 0, 100, 1),
        Fsync("log"),
        {.kind = Kind::kAppend, .path = "log", .size = 5000, .fill = 2},
        {.kind = Kind::kAppend, .path = "log", .size = 200'000, .fill = 3},
        Fsync("log"),
        {.kind = Kind::kAppend, .path = "log", .size = 10, .fill = 4}}},
      {"RenameOverWithFsync",
       {Create("f"), WriteAt("f", 0, 20'000, 1), Fsync("f"), Create("f.tmp"),
        WriteAt("f.tmp", 0, 30'000, 2), Fsync("f.tmp"), Two(Kind::kRename, "f.tmp", "f"),
        Fsync("f")}},
      {"RenameOverWithoutFsync",
       {Create("f"), WriteAt("f", 0, 20'000, 1), Fsync("f"), Create("f.tmp"),
        WriteAt("f.tmp", 0, 30'000, 2), Two(Kind::kRename, "f.tmp", "f"), Rest(7'000'000)}},
      {"LinkUnlink",
       {Mkdir("a"),
        Mkdir("b"),
        Create("a/f"),
        WriteAt("a/f", 0, 150'000, 1),
        Two(Kind::kLink, "a/f", "b/g"),
        Two(Kind::kLink, "a/f", "a/h"),
        Fsync("a/f"),
        Unlink("a/f"),
        Unlink("a/h"),
        {.kind = Kind::kRmdir, .path = "a"},
        WriteAt("b/g", 0, 10, 2),
        Fsync("b/g"),
        Unlink("b/g"),
        Rest(3'000'000)}},
      {"MkdirRmdir",
       {Mkdir("d"),
        Mkdir("d/e"),
        Mkdir("d/e/f"),
        {.kind = Kind::kRmdir, .path = "d/e/f"},
        Create("d/x"),
        Fsync("d/x"),
        {.kind = Kind::kRmdir, .path = "d/e"},
        Unlink("d/x"),
        {.kind = Kind::kRmdir, .path = "d"}}},
      {"Exchange",
       {Mkdir("a"), Mkdir("b"), Create("a/f"), WriteAt("a/f", 0, 10, 1), Mkdir("b/d"),
        Create("b/d/g"), Two(Kind::kExchange, "a/f", "b/d"), Fsync("b/d"),
        Two(Kind::kExchange, "a", "b"), Two(Kind::kExchange, "a/d", "b/f")}},
      {"MovesAcrossDirectories",
       {Mkdir("a"), Mkdir("b"), Create("a/f"), WriteAt("a/f", 0, 5000, 1), Create("b/f"),
        WriteAt("b/f", 0, 140'000, 2), Fsync("b/f"), Two(Kind::kRename, "a/f", "b/f"), Mkdir("a/d"),
        Create("a/d/x"), Two(Kind::kRename, "a/d", "b/d"), Fsync("b/f"), Mkdir("a/e"),
        Two(Kind::kRename, "a/e", "b/e"), Two(Kind::kRename, "b/d", "a/d"),
        Two(Kind::kRename, "b/e", "a/e")}},
      {"HolesAndCopies",
       {Create("f"),
        WriteAt("f", 0, 600'000, 1),
        Create("g"),
        {.kind = Kind::kCopy, .path = "f", .to = "g", .size = 524'288},
        Fsync("g"),
        {.kind = Kind::kPunch, .path = "f", .offset = 131'072, .size = 200'000},
        {.kind = Kind::kTruncate, .path = "f", .size = 50'000},
        {.kind = Kind::kTruncate, .path = "f", .size = 400'000},
        Unlink("f"),
        Rest(3'000'000),
        WriteAt("g", 3000, 9000, 2),
        Fsync("g")}},
      {"Attributes",
       {Create("f"),
        {.kind = Kind::kChmod, .path = "f", .size = 0600},
        {.kind = Kind::kXattr, .path = "f", .size = 40},
        Fsync("f"),
        {.kind = Kind::kXattr, .path = "f", .size = 9000, .fill = 1},
        Two(Kind::kSymlink, "l", "f"),
        {.kind = Kind::kChmod, .path = "f", .size = 0755},
        Unlink("l")}},
  };
  return patterns;
}

class VfsCrashTest : public ::testing::TestWithParam<size_t> {};

TEST_P(VfsCrashTest, LeavesAPrefix) { CutEverywhere(Patterns()[GetParam()].script, 1); }

INSTANTIATE_TEST_SUITE_P(Patterns, VfsCrashTest, ::testing::Range<size_t>(0, Patterns().size()),
                         [](const auto& instance) { return Patterns()[instance.param].name; });

// Random scripts over a few names, so that most steps meet what earlier ones left.
std::vector<Step> RandomScript(uint64_t seed, int steps) {
  env::sim::SimRandom random(seed);
  const auto below = [&](uint64_t n) { return random.Next() % n; };
  const auto path = [&] {
    static constexpr const char* kDirs[] = {"", "a/", "b/", "a/c/"};
    static constexpr const char* kNames[] = {"a", "b", "c", "f", "g"};
    return std::string(kDirs[below(4)]) + kNames[below(5)];
  };
  static constexpr uint64_t kSizes[] = {0, 10, 4096, 5000, 30'000, 131'072, 300'000};
  std::vector<Step> script = {Mkdir("a"), Mkdir("b"), Mkdir("a/c"), Create("f"), Create("a/g")};
  while (script.size() < static_cast<size_t>(steps)) {
    // Twice as many steps that make something as others, so that most find what they need.
    static constexpr Kind kMaking[] = {Kind::kCreate, Kind::kWrite, Kind::kAppend, Kind::kMkdir};
    const uint64_t drawn = below(34);
    Step step{.kind = drawn < 17 ? static_cast<Kind>(drawn) : kMaking[drawn % 4], .path = path()};
    switch (step.kind) {
      case Kind::kLink:
      case Kind::kSymlink:
      case Kind::kRename:
      case Kind::kExchange:
        step.to = path();
        break;
      case Kind::kCopy:
        step.to = path();
        step.size = 131'072 * (1 + below(3));
        break;
      case Kind::kChmod:
        step.size = below(0777);
        break;
      case Kind::kXattr:
        step.size = 1 + below(5000);
        break;
      case Kind::kRest:
        step.size = below(8'000'000);
        break;
      case Kind::kPunch:
        step.offset = below(200'000);
        step.size = 1 + below(200'000);
        break;
      default:
        step.offset = below(2) == 0 ? 0 : below(300'000);
        step.size = kSizes[below(7)];
        break;
    }
    step.fill = random.Next();
    script.push_back(step);
  }
  return script;
}

// KVFS_SEEDS=A..B runs that many more; a failure names the seed to give as A..A.
TEST(VfsCrashRandomTest, LeavesAPrefix) {
  uint64_t first = 1;
  uint64_t last = 6;
  if (const char* seeds = std::getenv("KVFS_SEEDS"); seeds != nullptr) {
    char* end = nullptr;
    first = std::strtoull(seeds, &end, 10);
    last = std::strtoull(end + std::min<size_t>(2, std::string_view(end).size()), nullptr, 10);
  }
  for (uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    CutEverywhere(RandomScript(seed, 150), seed, 29);
  }
  if (HasFailure()) {
    FAIL() << "replay: KVFS_SEEDS=<seed>..<seed> kvfs_vfs_crash_test";
  }
}

}  // namespace
}  // namespace kvfs::fs::crash
