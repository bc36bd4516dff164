// A node on the real environment: restarts, threads, commits of every kind.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "kvcore/node/node.h"
#include "kvcore/node/store_check.h"

namespace kvfs::node {
namespace {

using client::Commit;
using client::Write;
using env::posix::BlockingWait;

class NodePosixTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kvfs-node-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static NodeOptions Small() {
    NodeOptions options;
    options.memory_bytes = 8u << 20;
    options.reserve_bytes = 1u << 20;
    return options;
  }
  std::string Dir() const { return directory_ + "/data"; }
  std::unique_ptr<Node> MustOpen(env::Env env) {
    auto node = BlockingWait(Node::Open(Small(), env, Dir()));
    EXPECT_TRUE(node.ok()) << node.status().ToString();
    return std::move(*node);
  }

  std::string directory_;
};

Commit PutOne(Bytes pk, Bytes ck, Bytes value) {
  Commit commit;
  commit.txns.push_back(
      {std::move(pk), {}, {{Write::Kind::kPut, std::move(ck), std::move(value)}}, {}, {}});
  return commit;
}

TEST_F(NodePosixTest, KeepsIdentityAndItemsOverRestarts) {
  env::posix::PosixEnv posix(2);
  Bytes cluster_id;
  uint64_t first_inode = 0;
  const Bytes data(100'000, 'd');
  {
    auto node = MustOpen(posix.env());
    cluster_id = node->client()->info().cluster_id;
    EXPECT_EQ(cluster_id.size(), 16u);
    EXPECT_EQ(node->client()->info().chunk_bytes, 131072u);
    first_inode = *BlockingWait(node->client()->AllocateInode());
    EXPECT_EQ(first_inode, (uint64_t{1} << 32) + 1);
    Commit commit = PutOne("dir", "a", "1");
    commit.chunks = {{Sha256(data), {1, 2, 0, 0}, data}};
    EXPECT_TRUE(BlockingWait(node->client()->Submit(commit)).status.ok());
    EXPECT_TRUE(BlockingWait(node->Close()).ok());
  }
  auto node = MustOpen(posix.env());
  EXPECT_EQ(node->client()->info().cluster_id, cluster_id);
  EXPECT_EQ(*BlockingWait(node->client()->AllocateInode()), first_inode + 1);
  auto item = BlockingWait(node->client()->Get({"dir", "a"}));
  ASSERT_TRUE(item.ok() && item->has_value());
  EXPECT_EQ((*item)->value(), "1");
  EXPECT_EQ(*BlockingWait(node->client()->ReadChunk(Sha256(data), 0, 1 << 20)), data);
  const auto info = BlockingWait(node->client()->GetChunkInfo(Sha256(data)));
  EXPECT_EQ(info->raw_bytes, data.size());
  EXPECT_LT(info->stored_bytes, data.size() / 2);
  EXPECT_EQ(info->references, 1u);
}

// The process dies without a word, again and again; the next one must not repeat a number.
TEST_F(NodePosixTest, NoNumberIsUsedTwiceAfterKill) {
  std::set<std::string> numbers;
  size_t lines = 0;
  const std::string log = directory_ + "/numbers";
  for (int run = 0; run < 4; ++run) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      env::posix::PosixEnv posix(1);
      auto node = BlockingWait(Node::Open(Small(), posix.env(), Dir()));
      if (!node.ok()) {
        _exit(1);
      }
      std::ofstream out(log, std::ios::app);
      for (int i = 0; i < 500; ++i) {
        const auto ino = BlockingWait((*node)->client()->AllocateInode());
        const auto result =
            BlockingWait((*node)->client()->Submit(PutOne("dir", std::to_string(i), "x")));
        if (!ino.ok() || !result.status.ok()) {
          _exit(2);
        }
        out << "i" << *ino << "\nd" << result.versions[0].high << "/" << result.versions[0].low
            << "\n";
      }
      out.flush();
      _exit(0);  // nothing is closed
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  }
  std::ifstream in(log);
  for (std::string line; std::getline(in, line); ++lines) {
    EXPECT_TRUE(numbers.insert(line).second) << line;
  }
  EXPECT_EQ(lines, 4u * 1000);
}

// Threads that move one counter forward under asserts, put and drop shared chunks, and sync.
TEST_F(NodePosixTest, ConcurrentCommitsOfManyThreads) {
  constexpr int kThreads = 6;
  constexpr int kRounds = 150;
  env::posix::PosixEnv posix(2);
  auto node = MustOpen(posix.env());
  client::Client* client = node->client();
  ASSERT_TRUE(BlockingWait(client->Submit(PutOne("counter", "n", "0"))).status.ok());
  std::vector<Bytes> shared;
  for (int i = 0; i < 4; ++i) {
    shared.push_back(Bytes(5000, static_cast<char>('a' + i)));
  }
  std::atomic<uint64_t> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int round = 0; round < kRounds;) {
        auto item = BlockingWait(client->Get({"counter", "n"}));
        if (!item.ok() || !item->has_value()) {
          ++failures;
          return;
        }
        Commit commit = PutOne("counter", "n", std::to_string(std::stoi((*item)->value()) + 1));
        commit.txns[0].asserts = {{client::Assert::Kind::kVersion, "n", (*item)->version}};
        commit.txns.push_back({"own" + std::to_string(t),
                               {},
                               {{Write::Kind::kPut, std::to_string(round), "x"}},
                               {},
                               {}});
        const Bytes& data = shared[random() % shared.size()];
        const client::ChunkRef ref{1, static_cast<uint64_t>(t), 0, 0};
        commit.chunks = {{Sha256(data), ref, data}};
        commit.sync = random() % 8 == 0;
        const auto result = BlockingWait(client->Submit(commit));
        if (result.status.code() == Code::kConflict) {
          continue;
        }
        if (!result.status.ok()) {
          ++failures;
          return;
        }
        Commit drop;
        drop.drops = {{Sha256(data), ref}};
        if (!BlockingWait(client->Submit(drop)).status.ok()) {
          ++failures;
        }
        ++round;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures, 0u);
  EXPECT_EQ((*BlockingWait(client->Get({"counter", "n"})))->value(),
            std::to_string(kThreads * kRounds));
  const auto report = CheckStore(node->identity(), {}, node->store());
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->problem_count, 0u) << report->problems[0].kind << report->problems[0].message;
  EXPECT_EQ(report->chunks, 0u);
  EXPECT_EQ(report->items, 1u + kThreads * kRounds);
}

TEST_F(NodePosixTest, ACheckpointIsAStoreOfItsOwnEpoch) {
  env::posix::PosixEnv posix(2);
  const std::string copy_dir = directory_ + "/copy";
  auto node = MustOpen(posix.env());
  ASSERT_TRUE(BlockingWait(node->client()->Submit(PutOne("dir", "a", "1"))).status.ok());
  const Status copied = BlockingWait(node->Checkpoint(copy_dir));
  ASSERT_TRUE(copied.ok()) << copied.ToString();
  ASSERT_TRUE(BlockingWait(node->client()->Submit(PutOne("dir", "a", "2"))).status.ok());

  auto copy = BlockingWait(Node::Open(Small(), posix.env(), copy_dir));
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  client::Client* client = (*copy)->client();
  EXPECT_EQ(client->info().cluster_id, node->client()->info().cluster_id);
  EXPECT_NE(client->info().storage_epoch, node->client()->info().storage_epoch);
  EXPECT_EQ((*BlockingWait(client->Get({"dir", "a"})))->value(), "1");
  // A version written there has seen the one it overwrites, although another epoch minted it.
  const auto result = BlockingWait(client->Submit(PutOne("dir", "a", "3")));
  ASSERT_TRUE(result.status.ok());
  EXPECT_EQ(result.versions[0].high, client->info().storage_epoch);
  const auto report = CheckStore((*copy)->identity(), {}, (*copy)->store());
  EXPECT_EQ(report->problem_count, 0u);
}

TEST_F(NodePosixTest, ACopyOfTheDirectoryIsAStoreOfItsOwnEpoch) {
  env::posix::PosixEnv posix(2);
  auto node = MustOpen(posix.env());
  const uint64_t epoch = node->client()->info().storage_epoch;
  const auto one = BlockingWait(node->client()->Submit(PutOne("dir", "a", "1")));
  ASSERT_TRUE(one.status.ok());
  ASSERT_TRUE(BlockingWait(node->Close()).ok());
  node.reset();
  const std::string copy_dir = directory_ + "/copy";
  std::filesystem::copy(Dir(), copy_dir);
  std::filesystem::rename(Dir(), directory_ + "/moved");

  auto copy = BlockingWait(Node::Open(Small(), posix.env(), copy_dir));
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  const uint64_t copys_epoch = (*copy)->client()->info().storage_epoch;
  EXPECT_NE(copys_epoch, epoch);
  ASSERT_TRUE(BlockingWait((*copy)->client()->Submit(PutOne("dir", "a", "2"))).status.ok());
  ASSERT_TRUE(BlockingWait((*copy)->Close()).ok());
  copy->reset();
  copy = BlockingWait(Node::Open(Small(), posix.env(), copy_dir));
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  EXPECT_EQ((*copy)->client()->info().storage_epoch, copys_epoch);  // renewed once

  auto moved = BlockingWait(Node::Open(Small(), posix.env(), directory_ + "/moved"));
  ASSERT_TRUE(moved.ok()) << moved.status().ToString();
  EXPECT_EQ((*moved)->client()->info().storage_epoch, epoch);
}

TEST_F(NodePosixTest, ASecondNodeOnTheDirectoryIsRefused) {
  env::posix::PosixEnv posix(1);
  auto node = MustOpen(posix.env());
  NodeOptions options = Small();
  EXPECT_EQ(BlockingWait(Node::Open(options, posix.env(), Dir())).status().code(), Code::kBusy);
}

}  // namespace
}  // namespace kvfs::node
