// Clients change the content of files, whose chunks are put and dropped, and move coins between
// purses in commits over two partition keys, while the network loses, repeats, reorders and
// cuts, and nodes die and come back. Whatever a file names must be readable, byte for byte, at any
// time; no coin is lost or made; and when all is quiet everybody comes to an answer.
//
//     KVFS_SEEDS=A..B kvfs_node_test --gtest_filter=ClusterRandom*     other seeds
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "kvcore/env/sim/sim_nemesis.h"
#include "kvcore/node/sim_nodes_test_support.h"
#include "kvcore/replication/keys.h"
#include "kvcore/ring/plan.h"

namespace kvfs::node {
namespace {

using client::Assert;
using client::ChunkId;
using client::ChunkRef;
using client::ClusterClient;
using client::Commit;
using client::Item;
using client::ItemKey;
using client::Txn;
using client::Write;
using env::sim::Happens;
using env::sim::Uniform;
using test::SimNodes;

constexpr int64_t kSecond = 1'000'000;
constexpr int kFiles = 3;
constexpr int kContents = 4;  // few, so that the same chunk is put again soon
constexpr int kPurses = 3;
constexpr int kCoins = 100;
constexpr uint64_t kRepeatEvery = 10;  // seeds that are run twice

bool IsUncertain(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kOutcomeUnknown;
}

env::sim::FaultPlan DrawPlan(size_t nodes, env::Random& random) {
  env::sim::FaultPlan plan = env::sim::DrawFaultPlan({}, random);
  plan.mortal_machines = nodes;  // who asks does not die
  return plan;
}

class Trouble {
 public:
  // `reshape`: nodes that keep data come and go meanwhile.
  Trouble(uint64_t seed, int clients, int operations, bool reshape)
      : cluster_(seed, reshape ? 5 : 3, true, false, 3),
        reshape_(reshape),
        random_(seed ^ 0x5eed),
        operations_(operations),
        tasks_(&cluster_.world().scheduler()),
        nemesis_(&cluster_.world(), DrawPlan(cluster_.nodes(), random_),
                 {.killed = [this](size_t node) { cluster_.Killed(node); },
                  .start = [this](size_t node) { cluster_.Start(node); }}) {
    for (int i = 0; i < clients; ++i) {
      clients_.push_back(cluster_.AnotherClient(0, SimNodes::ClientOptions(false)));
    }
    for (int content = 0; content < kContents; ++content) {
      contents_.push_back(
          Bytes(200 + static_cast<size_t>(content), static_cast<char>('a' + content)));
      ids_.push_back(Sha256(contents_.back()));
    }
    for (int purse = 0; purse < kPurses; ++purse) {
      Commit commit;
      commit.txns.push_back(Put("purse" + std::to_string(purse), "coins", std::to_string(kCoins)));
      EXPECT_TRUE(cluster_.Run(clients_[0]->Submit(std::move(commit))).status.ok());
    }
  }

  void Run() {
    nemesis_.Start();
    for (ClusterClient* client : clients_) {
      tasks_.Start(Client(client));
    }
    if (reshape_) {
      is_reshaping_ = true;
      tasks_.Start(Reshape());
    }
    while (done_ < clients_.size() && Now() < 120 * kSecond) {
      cluster_.world().RunFor(kSecond / 50);
      cluster_.Bury();
    }
    quiet_ = true;
    nemesis_.Quieten();
    auto& scheduler = cluster_.world().scheduler();
    ASSERT_TRUE(scheduler.RunUntil([&] { return cluster_.AllUp(); }, 60 * kSecond));
    const auto all_done = [&] { return done_ == clients_.size() && !is_reshaping_; };
    ASSERT_TRUE(scheduler.RunUntil(all_done, 120 * kSecond))
        << "clients still wait two minutes after the last fault";
    cluster_.world().RunFor(10 * kSecond);
    ASSERT_TRUE(scheduler.RunUntil([&] { return NothingMoves(); }, 60 * kSecond));
    CheckFiles();
    CheckPurses();
    CheckNoIntentIsInTheWay();
  }
  uint64_t trace_hash() const { return trace_; }
  void Remember() { trace_ = cluster_.world().trace_hash(); }
  const env::sim::SimNemesis& nemesis() const { return nemesis_; }
  int happened() const { return happened_; }
  int reshaped() const { return reshaped_; }

 private:
  int64_t Now() { return cluster_.world().scheduler().NowMicros(); }

  static Txn Put(Bytes pk, Bytes ck, Bytes value) {
    Txn txn;
    txn.pk = std::move(pk);
    txn.writes.push_back({Write::Kind::kPut, std::move(ck), std::move(value)});
    return txn;
  }
  static Bytes FileOf(uint64_t number) { return "file" + std::to_string(number); }
  static ChunkRef RefOf(uint64_t number) { return {number, number, 0, 0}; }
  static Assert Unchanged(Bytes ck, const std::optional<Item>& item) {
    Assert assertion;
    assertion.kind = Assert::Kind::kVersion;
    assertion.ck = std::move(ck);
    if (item.has_value()) {
      assertion.version = item->version;
    }
    return assertion;
  }

  Task<void> Client(ClusterClient* client) {
    for (int i = 0; i < operations_ && !quiet_; ++i) {
      const uint64_t file = Uniform(random_, kFiles);
      const double what = static_cast<double>(Uniform(random_, 1000)) / 1000;
      if (what < 0.4) {
        co_await Publish(client, file);
      } else if (what < 0.7) {
        co_await Read(client, file);
      } else {
        co_await Move(client);
      }
      const auto pause = static_cast<int64_t>(Uniform(random_, 50'000));
      co_await env::SleepFor(&cluster_.world().scheduler(), pause);
    }
    ++done_;
  }

  // Some three to five of the nodes are to keep everything from now on.
  Task<void> Reshape() {
    while (!quiet_) {
      const auto pause = static_cast<int64_t>(Uniform(random_, 300'000));
      co_await env::SleepFor(&cluster_.world().scheduler(), pause);
      ClusterNode* const node = cluster_.node(Uniform(random_, cluster_.nodes()));
      if (node == nullptr) {
        continue;
      }
      const auto layouts = node->layouts();
      std::vector<ring::Change> changes;
      size_t members = 0;
      for (env::NodeId one = 1; one <= cluster_.nodes(); ++one) {
        const bool wanted = Happens(random_, 0.7);
        members += wanted ? 1 : 0;
        const bool is_there = layouts->newest().FindMember(one) != nullptr;
        if (wanted != is_there) {
          ring::Change& change = changes.emplace_back();
          change.kind = wanted ? ring::Change::Kind::kJoin : ring::Change::Kind::kLeave;
          change.member = {.node = one, .weight = 1, .datacentre = "here", .zone = ""};
        }
      }
      auto plan = ring::PlanChange(layouts->newest(), changes);
      if (members < 3 || changes.empty() || !plan.ok() || layouts->next() != nullptr) {
        continue;
      }
      auto next = std::make_shared<const ring::Layout>(std::move(plan->next));
      const Status proposed = co_await node->ProposeLayout(std::move(next));
      reshaped_ += proposed.ok() ? 1 : 0;
    }
    is_reshaping_ = false;
  }
  bool NothingMoves() {
    uint64_t number = 0;
    for (size_t node = 0; node < cluster_.nodes(); ++node) {
      number = std::max(number, cluster_.node(node)->layouts()->stage().id.number);
    }
    for (size_t node = 0; node < cluster_.nodes(); ++node) {
      // Whoever keeps nothing may not have heard of it.
      const auto layouts = cluster_.node(node)->layouts();
      const bool keeps = layouts->newest().FindMember(node + 1) != nullptr;
      if (layouts->next() != nullptr || (keeps && layouts->stage().id.number != number)) {
        return false;
      }
    }
    return true;
  }

  Task<void> Publish(ClusterClient* client, uint64_t file) {
    ItemKey key(FileOf(file), "content");
    const auto before = co_await client->Get(std::move(key));
    if (!before.ok()) {
      EXPECT_TRUE(IsUncertain(before.status())) << before.status().ToString();
      co_return;
    }
    const size_t next = Uniform(random_, kContents);
    Commit commit;
    commit.sync = Happens(random_, 0.2);
    commit.chunks.push_back({ids_[next], RefOf(file), contents_[next]});
    Txn txn = Put(FileOf(file), "content", std::to_string(next));
    txn.asserts.push_back(Unchanged("content", *before));
    commit.txns.push_back(std::move(txn));
    if (before->has_value()) {
      const size_t last = std::stoul((*before)->value());
      if (last != next) {
        commit.drops.push_back({ids_[last], RefOf(file)});
      }
    }
    const auto result = co_await client->Submit(std::move(commit));
    happened_ += result.status.ok();
    EXPECT_TRUE(result.status.ok() || result.status.code() == Code::kConflict ||
                IsUncertain(result.status))
        << result.status.ToString();
  }

  // The chunk that the file names is there as long as the file names it.
  Task<void> Read(ClusterClient* client, uint64_t file) {
    while (true) {
      ItemKey key(FileOf(file), "content");
      ItemKey again_key = key;
      const auto item = co_await client->Get(std::move(key));
      if (!item.ok() || !item->has_value()) {
        co_return;
      }
      const size_t content = std::stoul((*item)->value());
      const auto bytes = co_await client->ReadChunk(ids_[content], 0, 1u << 20);
      if (bytes.ok()) {
        EXPECT_EQ(*bytes, contents_[content]);
        co_return;
      }
      if (bytes.status().code() != Code::kNotFound) {
        EXPECT_TRUE(IsUncertain(bytes.status())) << bytes.status().ToString();
        co_return;
      }
      const auto again = co_await client->Get(std::move(again_key));
      if (!again.ok()) {
        co_return;
      }
      if (again->has_value() && (*again)->version == (*item)->version) {
        ADD_FAILURE() << "file " << file << " names content " << content << ", which is gone";
        co_return;
      }
    }
  }

  Task<void> Move(ClusterClient* client) {
    const uint64_t from = Uniform(random_, kPurses);
    const uint64_t to = (from + 1 + Uniform(random_, kPurses - 1)) % kPurses;
    std::vector<Bytes> pks;
    pks.push_back("purse" + std::to_string(from));
    pks.push_back("purse" + std::to_string(to));
    std::vector<ItemKey> keys;
    for (const Bytes& pk : pks) {
      keys.emplace_back(pk, "coins");
    }
    const auto items = co_await client->GetMany(std::move(keys));
    if (!items.ok()) {
      co_return;
    }
    Commit commit;
    for (size_t i = 0; i < 2; ++i) {
      const int coins = std::stoi((*items)[i]->value()) + (i == 0 ? -1 : 1);
      Txn txn = Put(pks[i], "coins", std::to_string(coins));
      txn.asserts.push_back(Unchanged("coins", (*items)[i]));
      commit.txns.push_back(std::move(txn));
    }
    const auto result = co_await client->Submit(std::move(commit));
    happened_ += result.status.ok();
    EXPECT_TRUE(result.status.ok() || result.status.code() == Code::kConflict ||
                IsUncertain(result.status))
        << result.status.ToString();
  }

  void CheckFiles() {
    for (uint64_t file = 0; file < kFiles; ++file) {
      ItemKey key(FileOf(file), "content");
      const auto item = cluster_.Run(clients_[0]->Get(std::move(key)));
      ASSERT_TRUE(item.ok()) << item.status().ToString();
      if (!item->has_value()) {
        continue;
      }
      const size_t content = std::stoul((*item)->value());
      size_t homes = 0;
      for (size_t node = 0; node < cluster_.nodes(); ++node) {
        const auto stored =
            cluster_.node(node)->store()->Get(replication::ChunkDataKey(ids_[content]));
        homes += stored.ok() && *stored == contents_[content];
      }
      EXPECT_GE(homes, 2u) << "of what file " << file << " names";
    }
  }

  void CheckPurses() {
    int coins = 0;
    for (int purse = 0; purse < kPurses; ++purse) {
      ItemKey key("purse" + std::to_string(purse), "coins");
      const auto item = cluster_.Run(clients_[0]->Get(std::move(key)));
      ASSERT_TRUE(item.ok() && item->has_value());
      coins += std::stoi((*item)->value());
    }
    EXPECT_EQ(coins, kPurses * kCoins);
  }

  void CheckNoIntentIsInTheWay() {
    for (int purse = 0; purse < kPurses; ++purse) {
      Commit commit;
      commit.txns.push_back(Put("purse" + std::to_string(purse), "last", "word"));
      const auto result = cluster_.Run(clients_[0]->Submit(std::move(commit)));
      EXPECT_TRUE(result.status.ok()) << result.status.ToString();
    }
  }

  SimNodes cluster_;
  const bool reshape_;
  env::sim::SimRandom random_;
  const int operations_;
  std::vector<ClusterClient*> clients_;
  std::vector<Bytes> contents_;
  std::vector<ChunkId> ids_;
  env::TaskSet tasks_;
  env::sim::SimNemesis nemesis_;
  size_t done_ = 0;
  int happened_ = 0;
  int reshaped_ = 0;
  bool is_reshaping_ = false;
  bool quiet_ = false;
  uint64_t trace_ = 0;
};

void RunSeeds(const char* test, bool reshape) {
  uint64_t first = 1;
  uint64_t last = 12;
  if (const char* text = std::getenv("KVFS_SEEDS"); text != nullptr) {
    const std::string range = text;
    first = last = std::strtoull(range.c_str(), nullptr, 10);
    if (const size_t dots = range.find(".."); dots != std::string::npos) {
      last = std::strtoull(&range[dots + 2], nullptr, 10);
    }
  }
  int happened = 0;
  int reshaped = 0;
  for (uint64_t seed = first; seed <= last && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("replay: KVFS_SEEDS=" + std::to_string(seed) +
                 " kvfs_node_test --gtest_filter=" + test);
    Trouble trouble(seed, 4, 40, reshape);
    trouble.Run();
    trouble.Remember();
    happened += trouble.happened();
    reshaped += trouble.reshaped();
    if (seed % kRepeatEvery == 0 && !::testing::Test::HasFailure()) {
      Trouble again(seed, 4, 40, reshape);
      again.Run();
      again.Remember();
      EXPECT_EQ(again.trace_hash(), trouble.trace_hash()) << "a seed must repeat itself";
    }
    if (::testing::Test::HasFailure()) {
      for (const std::string& line : trouble.nemesis().log()) {
        std::printf("%s\n", line.c_str());
      }
    }
  }
  EXPECT_GT(happened, static_cast<int>(last - first + 1) * 20);
  EXPECT_EQ(reshaped > 0, reshape);
  std::printf("%d commits happened, %d layouts were decided\n", happened, reshaped);
}

TEST(ClusterRandom, NothingNamedIsLostAndNoCommitHappensByHalves) {
  RunSeeds("ClusterRandom.Nothing*", false);
}

TEST(ClusterRandom, NorWhileNodesThatKeepDataComeAndGo) { RunSeeds("ClusterRandom.Nor*", true); }

}  // namespace
}  // namespace kvfs::node
