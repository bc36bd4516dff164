// A node in the simulator: a workload of commits is cut at each of its I/Os, by the
// death of the process or by a power loss, and the store opened again must show the
// state after a prefix of the commits that holds all that were acknowledged as durable.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "kvcore/env/sim/sim_world.h"
#include "kvcore/node/node.h"
#include "kvcore/node/store_check.h"
#include "kvcore/replication/keys.h"

namespace kvfs::node {
namespace {

using client::Assert;
using client::ChunkId;
using client::ChunkRef;
using client::Commit;
using client::CommitResult;
using client::Write;
using env::sim::CrashMode;
using env::sim::SimWorld;

constexpr int kPks = 4;
constexpr int kChunks = 5;

// What the store should hold.
struct Model {
  std::map<std::pair<Bytes, Bytes>, Bytes> items;
  std::map<int, std::set<ChunkRef>> references;

  bool operator==(const Model&) const = default;
};

Bytes PkOf(uint64_t number) { return "dir" + std::to_string(number); }
const Bytes& ChunkBytes(int number) {
  static const std::vector<Bytes> all = [] {
    std::vector<Bytes> chunks;
    for (int i = 0; i < kChunks; ++i) {
      Bytes bytes = "chunk " + std::to_string(i);
      while (bytes.size() < static_cast<size_t>(3000 + 40'000 * (i % 2))) {
        bytes += std::to_string(bytes.size() * (7 + static_cast<size_t>(i)));
      }
      chunks.push_back(bytes);
    }
    return chunks;
  }();
  return all[static_cast<size_t>(number)];
}

engine::Options SmallEngine() {
  engine::Options options;
  options.memtable_bytes = 8u << 10;
  options.block_cache_bytes = 64u << 10;
  options.block_bytes = 512;
  options.blob_file_bytes = 128u << 10;
  options.table_bytes = 8u << 10;
  options.level1_bytes = 32u << 10;
  options.reserve_bytes = 0;
  return options;
}

// One life of the store, with several boots of its machine.
class Life {
 public:
  explicit Life(uint64_t seed) : world_({.seed = seed}), random_(seed) { history_.push_back({}); }

  SimWorld& world() { return world_; }

  // False: could not be opened (only right while the power is off).
  bool Boot() {
    auto opened = world_.Run(Node::Open(SmallEngine(), world_.env(), "/data"));
    if (!opened.ok()) {
      open_error_ = opened.status();
      return false;
    }
    node_ = std::move(*opened);
    return true;
  }
  const Status& open_error() const { return open_error_; }

  // Commits until `count` are done or one fails.
  void Work(int count) {
    for (int i = 0; i < count && !failed_; ++i) {
      Step();
    }
  }
  bool failed() const { return failed_; }

  void Crash(CrashMode mode) {
    node_.reset();
    world_.files().Crash(world_.random(), mode);
    failed_ = false;
  }

  // Compares what the store shows with the states it may be in, and goes on from there.
  void Check(CrashMode mode) {
    const Model found = Read();
    const size_t oldest = mode == CrashMode::kProcessDeath ? acknowledged_ : durable_;
    size_t at = history_.size();
    while (at > oldest && history_[at - 1] != found) {
      --at;
    }
    ASSERT_GT(at, oldest) << "acknowledged " << acknowledged_ << ", durable " << durable_ << ", of "
                          << history_.size();
    history_ = {found};
    acknowledged_ = durable_ = 0;
    const auto report = CheckStore(node_->identity(), {}, node_->store());
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    for (const StoreProblem& problem : report->problems) {
      ADD_FAILURE() << problem.kind << ": " << problem.message;
    }
  }

 private:
  uint64_t Below(uint64_t n) { return random_.Next() % n; }

  void Step() {
    if (Below(3) == 0) {
      const auto ino = world_.Run(node_->client()->AllocateInode());
      if (!ino.ok()) {
        failed_ = true;
        return;
      }
      ASSERT_TRUE(inodes_.insert(*ino).second) << "inode " << *ino << " twice";
    }
    Model next = history_.back();
    Commit commit;
    const uint64_t first_pk = Below(kPks);
    for (uint64_t t = 0; t < 1 + Below(2); ++t) {
      AddTxn(PkOf((first_pk + t) % kPks), &commit, &next);
    }
    for (uint64_t c = Below(3); c > 0; --c) {
      AddChunk(&commit, &next);
    }
    commit.sync = Below(4) == 0;
    const bool sync = commit.sync;
    const CommitResult result = world_.Run(node_->client()->Submit(std::move(commit)));
    if (result.status.code() == Code::kConflict || result.status.code() == Code::kNotFound) {
      ADD_FAILURE() << result.status.ToString();
      failed_ = true;
      return;
    }
    history_.push_back(std::move(next));
    if (!result.status.ok()) {
      failed_ = true;  // it may have happened
      return;
    }
    for (const client::VersionId& version : result.versions) {
      ASSERT_TRUE(versions_.insert(version).second) << "a dot twice";
    }
    acknowledged_ = history_.size() - 1;
    if (sync || (Below(10) == 0 && world_.Run(node_->client()->Sync()).ok())) {
      durable_ = acknowledged_;
    }
    world_.RunUntilIdle();  // flushes and compactions
  }

  void AddTxn(const Bytes& pk, Commit* commit, Model* next) {
    client::Txn& txn = commit->txns.emplace_back();
    txn.pk = pk;
    std::set<Bytes> touched;
    for (uint64_t w = 0; w < 1 + Below(3); ++w) {
      const Bytes ck = "k" + std::to_string(Below(6));
      if (!touched.insert(ck).second) {
        continue;
      }
      const bool there = next->items.contains({pk, ck});
      txn.asserts.push_back({there ? Assert::Kind::kPresent : Assert::Kind::kAbsent, ck, {}});
      if (Below(4) == 0) {
        txn.writes.push_back({Write::Kind::kErase, ck, {}});
        next->items.erase({pk, ck});
      } else {
        const Bytes value(Below(600), static_cast<char>('a' + Below(26)));
        txn.writes.push_back({Write::Kind::kPut, ck, value});
        next->items[{pk, ck}] = value;
      }
    }
  }

  void AddChunk(Commit* commit, Model* next) {
    const int number = static_cast<int>(Below(kChunks));
    const ChunkId id = Sha256(ChunkBytes(number));
    const ChunkRef ref{1, Below(3), 0, 0};
    for (const client::ChunkDrop& drop : commit->drops) {
      if (drop.id == id) {
        return;  // drops come last, whatever the order here
      }
    }
    std::set<ChunkRef>& references = next->references[number];
    if (references.contains(ref)) {
      commit->drops.push_back({id, ref});
      references.erase(ref);
    } else {
      commit->chunks.push_back({id, ref, ChunkBytes(number)});
      references.insert(ref);
    }
    if (references.empty()) {
      next->references.erase(number);
    }
  }

  Model Read() {
    Model found;
    client::Client* client = node_->client();
    for (uint64_t p = 0; p < kPks; ++p) {
      const auto page = world_.Run(client->Scan(PkOf(p), "", "", 1000));
      EXPECT_TRUE(page.ok()) << page.status().ToString();
      for (const client::Item& item : page->items) {
        found.items[{PkOf(p), item.ck}] = item.value();
        EXPECT_EQ(item.siblings.size(), 1u);
      }
    }
    for (int c = 0; c < kChunks; ++c) {
      const ChunkId id = Sha256(ChunkBytes(c));
      for (uint64_t ino = 0; ino < 3; ++ino) {
        const auto there = node_->store()->Contains(replication::ChunkRefKey(id, {1, ino, 0, 0}));
        EXPECT_TRUE(there.ok());
        if (*there) {
          found.references[c].insert({1, ino, 0, 0});
        }
      }
      const auto bytes = world_.Run(client->ReadChunk(id, 0, 1 << 20));
      EXPECT_EQ(bytes.ok(), found.references.contains(c));
      if (bytes.ok()) {
        EXPECT_EQ(*bytes, ChunkBytes(c));
      }
    }
    return found;
  }

  SimWorld world_;
  env::sim::SimRandom random_;
  std::unique_ptr<Node> node_;
  Status open_error_;
  bool failed_ = false;
  std::vector<Model> history_;  // states after each commit since the last check
  size_t acknowledged_ = 0;     // index of the newest state somebody was told of
  size_t durable_ = 0;
  std::set<uint64_t> inodes_;
  std::set<client::VersionId> versions_;
};

class NodeCrashTest : public ::testing::TestWithParam<CrashMode> {};

TEST_P(NodeCrashTest, AtEveryIo) {
  constexpr int kCommits = 60;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    for (uint64_t nth = 1;; nth += 1 + nth / 40) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", cut at I/O " + std::to_string(nth));
      Life run(seed);
      run.world().files().PowerOffAt(nth);
      if (run.Boot()) {
        run.Work(kCommits);
      } else {
        ASSERT_TRUE(run.world().files().IsOff()) << run.open_error().ToString();
      }
      const bool cut = run.world().files().IsOff();
      run.Crash(GetParam());
      ASSERT_TRUE(run.Boot()) << run.open_error().ToString();
      ASSERT_NO_FATAL_FAILURE(run.Check(GetParam()));
      run.Work(10);  // and it goes on
      ASSERT_FALSE(run.failed());
      run.Crash(GetParam());
      ASSERT_TRUE(run.Boot()) << run.open_error().ToString();
      ASSERT_NO_FATAL_FAILURE(run.Check(GetParam()));
      if (!cut) {
        ASSERT_GT(nth, 100u) << "the workload does too little";
        break;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, NodeCrashTest,
                         ::testing::Values(CrashMode::kProcessDeath, CrashMode::kPowerLoss,
                                           CrashMode::kPowerLossMinimum));

TEST(NodeFaultTest, AFailedIoIsAnErrorAndLosesNothingAcknowledged) {
  for (uint64_t nth = 1;; nth += 1 + nth / 20) {
    SCOPED_TRACE("the failing I/O is number " + std::to_string(nth));
    Life run(7);
    ASSERT_TRUE(run.Boot());
    const uint64_t before = run.world().files().OperationCount();
    run.world().files().Inject({.nth = nth});
    run.Work(60);
    const bool reached = run.world().files().OperationCount() - before >= nth;
    run.Crash(CrashMode::kPowerLoss);
    ASSERT_TRUE(run.Boot()) << run.open_error().ToString();
    ASSERT_NO_FATAL_FAILURE(run.Check(CrashMode::kPowerLoss));
    if (!reached) {
      break;
    }
  }
}

}  // namespace
}  // namespace kvfs::node
