// A node whose machine dies while commits are under way, and its next life on the same disk: what
// the dead one still did has no effect, and what was acknowledged is there.
#include <gtest/gtest.h>

#include <coroutine>
#include <set>

#include "kvcore/env/sim/sim_world.h"
#include "kvcore/node/node.h"

namespace kvfs::node {
namespace {

using env::sim::CrashMode;
using env::sim::SimWorld;
using env::sim::Uniform;

std::unique_ptr<Node> OpenNode(SimWorld* world) {
  auto opened = world->Run(Node::Open(NodeOptions{}, world->env(), "/data"));
  EXPECT_TRUE(opened.ok()) << opened.status().ToString();
  return opened.ok() ? std::move(*opened) : nullptr;
}

// Lets others run.
struct Yield {
  env::Scheduler* scheduler;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    scheduler->Post(env::Priority::kForeground, [h] { h.resume(); });
  }
  void await_resume() {}
};

struct Writer {
  client::Client* client;
  env::Scheduler* scheduler;  // of the same life
  std::set<int> acknowledged = {};
  bool done = false;
};

// Numbered items, each durable before the next; ends at the first error.
Task<void> Write(Writer* writer, int first, int count) {
  for (int i = first; i < first + count; ++i) {
    co_await Yield{writer->scheduler};
    client::Commit commit;
    commit.sync = true;
    client::Txn& txn = commit.txns.emplace_back();
    txn.pk = "pk";
    txn.writes.push_back({client::Write::Kind::kPut, "n" + std::to_string(1000 + i), "value"});
    const client::CommitResult result = co_await writer->client->Submit(std::move(commit));
    if (!result.status.ok()) {
      break;
    }
    writer->acknowledged.insert(i);
  }
  writer->done = true;
}

std::set<int> Read(SimWorld* world, client::Client* client) {
  std::set<int> found;
  auto page = world->Run(client->Scan("pk", "n", "o", 10'000));
  EXPECT_TRUE(page.ok()) << page.status().ToString();
  for (const client::Item& item : page.ok() ? page->items : std::vector<client::Item>{}) {
    found.insert(std::stoi(item.ck.substr(1)) - 1000);
  }
  return found;
}

TEST(NodeLivesTest, TheDeadHaveNoEffectAndNothingAcknowledgedIsLost) {
  int interrupted = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimWorld world({.seed = seed, .shuffle = true});
    std::unique_ptr<Node> node = OpenNode(&world);
    ASSERT_NE(node, nullptr);
    const uint64_t storage_epoch = node->identity().storage_epochs.back();

    // Somewhere in the middle: by disk operations, since files take no virtual time.
    Writer dying{node->client(), world.env().scheduler};
    Task<void> writing = Write(&dying, 0, 100);
    const uint64_t until = world.files().OperationCount() + Uniform(world.random(), 150);
    world.scheduler().RunUntil(
        [&] { return dying.done || world.files().OperationCount() >= until; });
    const std::set<int> before = dying.acknowledged;
    const CrashMode mode = seed % 2 == 0 ? CrashMode::kPowerLoss : CrashMode::kProcessDeath;
    world.machine(0).Kill(world.random(), mode);

    // The dead one is still there, with its writer, when the next life begins.
    std::unique_ptr<Node> next = OpenNode(&world);
    ASSERT_NE(next, nullptr);
    const std::set<int> found = Read(&world, next->client());
    ASSERT_TRUE(world.scheduler().RunUntil([&] { return dying.done; }));
    writing.TakeValue();
    node.reset();
    EXPECT_EQ(dying.acknowledged, before);
    interrupted += before.size() < 100 ? 1 : 0;
    for (const int number : before) {
      EXPECT_TRUE(found.contains(number)) << number;
    }
    EXPECT_LE(found.size(), before.size() + 1);

    // It is the same store on the same disk, not a copy that must mint under another name.
    EXPECT_EQ(next->identity().storage_epochs.back(), storage_epoch);
    Writer living{next->client(), world.env().scheduler};
    world.Run(Write(&living, 500, 10));
    EXPECT_EQ(living.acknowledged.size(), 10u);
    std::set<int> expected = found;
    expected.insert(living.acknowledged.begin(), living.acknowledged.end());
    EXPECT_EQ(Read(&world, next->client()), expected);
    EXPECT_TRUE(world.Run(next->Close()).ok());
  }
  EXPECT_GT(interrupted, 20);
}

}  // namespace
}  // namespace kvfs::node
