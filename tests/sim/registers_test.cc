// Registers: clients read, write and swap some items while the network loses, repeats,
// reorders and cuts, and nodes die and come back. Whatever they are told must be explained by
// one order; when all is quiet every operation must come to an answer, and the homes must
// be able to become identical.
//
//     KVFS_SEEDS=A..B kvfs_sim_test        other seeds; one that fails is replayed by A..A
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "kvcore/env/sim/sim_nemesis.h"
#include "kvcore/env/task_set.h"
#include "kvcore/versioning/merge.h"
#include "tests/sim/history.h"
#include "tests/sim/sim_cluster.h"

namespace kvfs::sim {
namespace {

using env::sim::Happens;
using env::sim::Uniform;
using replication::Assert;
using replication::Item;
using replication::OpId;
using replication::Txn;
using replication::Write;

constexpr int64_t kMillis = 1000;
constexpr int64_t kSecond = 1000 * kMillis;
constexpr uint64_t kRepeatEvery = 10;  // seeds that are run twice

env::sim::FaultPlan DrawPlan(int nodes, env::Random& random) {
  env::sim::FaultPlan plan = env::sim::DrawFaultPlan({}, random);
  plan.mortal_machines = static_cast<size_t>(nodes);  // who asks does not die
  return plan;
}

class Registers {
 public:
  Registers(uint64_t seed, int clients, int operations)
      : cluster_({.seed = seed, .nodes = 3}),
        random_(seed ^ 0x5eed),
        clients_(clients),
        operations_(operations),
        tasks_(&cluster_.world().scheduler()),
        nemesis_(&cluster_.world(), DrawPlan(cluster_.nodes(), random_),
                 {.killed = [this](size_t node) { cluster_.Killed(node); },
                  .start = [this](size_t node) { cluster_.Start(node); }}) {}

  void Run() {
    nemesis_.Start();
    for (int client = 0; client < clients_; ++client) {
      tasks_.Start(Client(client));
    }
    Trouble();
    Quiet();
    const auto violation = history_.FindViolation();
    ASSERT_FALSE(violation.has_value()) << *violation;
    for (const std::string& pk : pks_) {
      const auto first = cluster_.Contents(0, pk);
      for (int node = 1; node < cluster_.nodes(); ++node) {
        ASSERT_EQ(cluster_.Contents(node, pk), first) << "homes differ in " << pk;
      }
    }
  }
  size_t operations() const { return history_.size(); }
  uint64_t trace_hash() const { return cluster_.world().trace_hash(); }
  const env::sim::SimNemesis& nemesis() const { return nemesis_; }
  int64_t Now() { return cluster_.world().scheduler().NowMicros(); }

 private:
  // Until the clients have done their work or a minute is over.
  void Trouble() {
    while (done_ < clients_ && Now() < 60 * kSecond) {
      cluster_.world().RunFor(20 * kMillis);
      cluster_.Bury();
    }
  }

  // Nothing fails any more: everybody must come to an answer.
  void Quiet() {
    quiet_ = true;
    nemesis_.Quieten();
    ASSERT_TRUE(
        cluster_.world().scheduler().RunUntil([&] { return cluster_.AllUp(); }, 60 * kSecond));
    ASSERT_TRUE(
        cluster_.world().scheduler().RunUntil([&] { return done_ == clients_; }, 60 * kSecond))
        << "clients still wait a minute after the last fault";
    // One more write to each brings every home up to date.
    Task<void> last = TouchAll();
    ASSERT_TRUE(cluster_.world().scheduler().RunUntil([&] { return last.IsDone(); }, 60 * kSecond));
    last.TakeValue();
    cluster_.world().RunFor(5 * kSecond);
  }

  Task<void> TouchAll() {
    for (const std::string& pk : pks_) {
      for (int i = 0; i < 3; ++i) {
        Txn txn;
        txn.pk = pk;
        txn.writes.push_back({Write::Kind::kPut, "z", "end"});
        const OpId op{999, ++last_op_};
        auto result = co_await cluster_.client().Submit(txn, op, true, false, 30 * kSecond);
        EXPECT_TRUE(result.status.ok()) << result.status.ToString();
        co_await env::SleepFor(&cluster_.world().scheduler(), 500 * kMillis);
      }
    }
  }

  Task<void> Client(int client) {
    for (int i = 0; i < operations_ && !quiet_; ++i) {
      const std::string pk = pks_[Uniform(random_, pks_.size())];
      const std::string ck = Happens(random_, 0.8) ? "a" : "b";
      if (Happens(random_, 0.4)) {
        co_await Read(client, pk, ck);
      } else {
        const bool is_swap = Happens(random_, 0.5);
        co_await Change(client, i, pk, ck, is_swap);
      }
      const auto pause = static_cast<int64_t>(Uniform(random_, 20 * kMillis));
      co_await env::SleepFor(&cluster_.world().scheduler(), pause);
    }
    ++done_;
  }

  Task<std::optional<std::optional<Item>>> Read(int client, std::string pk, std::string ck) {
    Operation operation{
        pk + "/" + ck, Operation::Kind::kRead, "", "", Operation::Result::kOk, Now(), INT64_MAX,
        client};
    std::vector<Bytes> cks(1, ck);
    auto items = co_await cluster_.client().Read(pk, cks, 2 * kSecond);
    if (!items.ok()) {
      co_return std::nullopt;
    }
    std::optional<Item> item = std::move((*items)[0]);
    operation.end = Now();
    operation.value = item.has_value() ? item->value() : "";
    history_.Add(operation);
    co_return item;
  }

  Task<void> Change(int client, int number, std::string pk, std::string ck, bool is_swap) {
    Operation operation;
    operation.key = pk + "/" + ck;
    operation.client = client;
    operation.value = std::to_string(client) + "-" + std::to_string(number);
    Txn txn;
    txn.pk = pk;
    txn.writes.push_back({Write::Kind::kPut, ck, operation.value});
    if (is_swap) {
      auto item = co_await Read(client, pk, ck);
      if (!item.has_value()) {
        co_return;
      }
      operation.kind = Operation::Kind::kSwap;
      Assert assertion;
      assertion.kind = item->has_value() ? Assert::Kind::kVersion : Assert::Kind::kAbsent;
      assertion.ck = ck;
      if (item->has_value()) {
        assertion.version = (*item)->version;
        operation.expected = (*item)->value();
      }
      txn.asserts.push_back(assertion);
    } else {
      operation.kind = Operation::Kind::kWrite;
    }
    const OpId op{static_cast<uint64_t>(client) + 1, static_cast<uint64_t>(number) + 1};
    operation.begin = Now();
    bool first = true;
    replication::CommitResult result;
    while (true) {
      result = co_await cluster_.client().Submit(txn, op, first, false, kSecond);
      if (result.status.ok() || result.status.code() == Code::kConflict) {
        break;
      }
      if (result.status.code() == Code::kUnavailable && first) {
        co_return;  // it never happened
      }
      if (result.status.code() != Code::kUnavailable &&
          result.status.code() != Code::kOutcomeUnknown) {
        ADD_FAILURE() << result.status.ToString();
        break;
      }
      if (Happens(random_, 0.2)) {
        history_.Add(operation);  // its result is never learnt
        co_return;
      }
      first = false;
    }
    operation.end = Now();
    operation.result = result.status.ok() ? Operation::Result::kOk : Operation::Result::kConflict;
    history_.Add(operation);
  }

  SimCluster cluster_;
  env::sim::SimRandom random_;
  const int clients_;
  const int operations_;
  const std::vector<std::string> pks_ = {"one", "two", "three", "four"};
  History history_;
  env::TaskSet tasks_;
  env::sim::SimNemesis nemesis_;
  int done_ = 0;
  bool quiet_ = false;
  uint64_t last_op_ = 0;
};

struct Seeds {
  uint64_t first = 1;
  uint64_t last = 20;
};

Seeds WhichSeeds() {
  Seeds seeds;
  if (const char* text = std::getenv("KVFS_SEEDS"); text != nullptr) {
    const std::string range = text;
    seeds.first = std::strtoull(range.c_str(), nullptr, 10);
    const size_t dots = range.find("..");
    seeds.last =
        dots == std::string::npos ? seeds.first : std::strtoull(&range[dots + 2], nullptr, 10);
  }
  return seeds;
}

TEST(Sim, RegistersAreLinearizable) {
  const Seeds seeds = WhichSeeds();
  const auto began = std::chrono::steady_clock::now();
  size_t operations = 0;
  int faults[env::sim::kFaultKindCount] = {};
  for (uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    SCOPED_TRACE("replay: KVFS_SEEDS=" + std::to_string(seed) + ".." + std::to_string(seed) +
                 " kvfs_sim_test");
    Registers registers(seed, 5, 60);
    registers.Run();
    operations += registers.operations();
    if (seed % kRepeatEvery == 0 && !HasFailure()) {
      Registers again(seed, 5, 60);
      again.Run();
      EXPECT_EQ(registers.trace_hash(), again.trace_hash()) << "a seed must repeat itself";
    }
    if (HasFailure()) {
      for (const std::string& line : registers.nemesis().log()) {
        std::printf("%s\n", line.c_str());
      }
      return;
    }
    for (int kind = 0; kind < env::sim::kFaultKindCount; ++kind) {
      faults[kind] += registers.nemesis().Count(static_cast<env::sim::FaultKind>(kind));
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%llu seeds, %zu operations, %.1f seeds per second\n",
              static_cast<unsigned long long>(seeds.last - seeds.first + 1), operations,
              static_cast<double>(seeds.last - seeds.first + 1) / took.count());
  for (int kind = 0; kind < env::sim::kFaultKindCount; ++kind) {
    const std::string name(env::sim::FaultKindName(static_cast<env::sim::FaultKind>(kind)));
    std::printf("%s: %d\n", name.c_str(), faults[kind]);
  }
}

}  // namespace
}  // namespace kvfs::sim
