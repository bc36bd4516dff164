// A node whose disk, or whose bound, is full: writes are refused, deletes are taken,
// and the space comes back without a restart.
#include <gtest/gtest.h>

#include "kvcore/env/sim/sim_world.h"
#include "kvcore/node/node.h"
#include "kvcore/node/store_check.h"

namespace kvfs::node {
namespace {

using client::Commit;
using client::CommitResult;
using client::Write;
using env::sim::SimWorld;

Bytes ChunkBytes(uint64_t number) {
  env::sim::SimRandom random(number + 1);
  Bytes bytes;
  while (bytes.size() < 100'000) {
    const uint64_t word = random.Next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  return bytes;
}

class NodeSpaceTest : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr uint64_t kCapacity = 12u << 20;

  void Open(engine::Options options) {
    auto opened = world_.Run(Node::Open(options, world_.env(), "/data"));
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    node_ = std::move(*opened);
  }
  // A file of one chunk.
  Status Put(uint64_t number) {
    const Bytes bytes = ChunkBytes(number);
    Commit commit;
    commit.chunks = {{Sha256(bytes), {1, number, 0, 0}, bytes}};
    commit.txns.push_back(
        {"dir", {}, {{Write::Kind::kPut, "i" + std::to_string(number), "record"}}, {}, {}});
    return world_.Run(node_->client()->Submit(std::move(commit))).status;
  }
  Status Remove(uint64_t number) {
    Commit commit;
    commit.drops = {{Sha256(ChunkBytes(number)), {1, number, 0, 0}}};
    commit.txns.push_back({"dir",
                           {},
                           {{Write::Kind::kErase, "i" + std::to_string(number), {}},
                            {Write::Kind::kPut, "times", "now"}},
                           {},
                           {}});
    commit.may_use_reserve = true;
    return world_.Run(node_->client()->Submit(std::move(commit))).status;
  }

  SimWorld world_;
  std::unique_ptr<Node> node_;
};

TEST_P(NodeSpaceTest, FullRefusesWritesTakesDeletesAndRecovers) {
  engine::Options options;
  options.memtable_bytes = 64u << 10;
  options.block_cache_bytes = 1u << 20;
  options.blob_file_bytes = 1u << 20;
  options.reserve_bytes = 1u << 20;
  if (GetParam()) {
    options.capacity_bytes = kCapacity;
  } else {
    world_.files().SetCapacity(kCapacity);
  }
  Open(options);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    uint64_t written = 0;
    Status status;
    while (written < 1000 && (status = Put(written)).ok()) {
      ++written;
      world_.RunUntilIdle();
    }
    ASSERT_EQ(status.code(), Code::kNoSpace) << status.ToString();
    ASSERT_GT(written, 50u);
    const auto full = world_.Run(node_->client()->Space());
    ASSERT_TRUE(full.ok());
    EXPECT_LT(full->available_bytes, 2u << 20);
    for (uint64_t number = 0; number < written; ++number) {
      const Status removed = Remove(number);
      ASSERT_TRUE(removed.ok()) << "file " << number << ": " << removed.ToString();
      world_.RunFor(1000);
    }
    world_.RunFor(60'000'000);  // collection
    const auto empty = world_.Run(node_->client()->Space());
    EXPECT_GT(empty->available_bytes, kCapacity / 2);
  }
  const auto report = CheckStore(node_->identity(), {}, node_->store());
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->problem_count, 0u);
  EXPECT_EQ(report->chunks, 0u);
}

INSTANTIATE_TEST_SUITE_P(BoundOrDisk, NodeSpaceTest, ::testing::Bool());

}  // namespace
}  // namespace kvfs::node
