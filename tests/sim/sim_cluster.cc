#include "tests/sim/sim_cluster.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::sim {
namespace {

constexpr uint32_t kPartitionBits = 2;
constexpr int64_t kTidyMicros = 500'000;  // often: what is idle must be marked again and again
constexpr char kDirectory[] = "/data";

engine::Options SmallEngine() {
  engine::Options options;
  options.memtable_bytes = 64u << 10;
  options.block_cache_bytes = 256u << 10;
  options.table_bytes = 32u << 10;
  options.reserve_bytes = 0;
  return options;
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "simulated cluster: %s\n", result.status().ToString().c_str());
    std::abort();
  }
  return std::move(*result);
}

}  // namespace

struct SimCluster::Node {
  std::unique_ptr<engine::Db> db;
  std::unique_ptr<node::EngineLocalStore> store;
  std::unique_ptr<replication::NumberSource> dots;
  std::unique_ptr<replication::NumberSource> lives;
  versioning::HybridClock hybrid_clock{60'000};
  std::unique_ptr<node::Rpc> rpc;
  std::unique_ptr<replication::MajorityWatch> watch;
  std::unique_ptr<replication::Home> home;
  std::unique_ptr<replication::ReplicatedPrimary> primary;
  std::unique_ptr<replication::Branches> branches;
  std::unique_ptr<replication::Service> service;
  std::unique_ptr<replication::Rebuilder> rebuilder;
  std::unique_ptr<env::TaskSet> loops;
  bool closing = false;
};

// A node whose machine is dead, and what still runs in it.
struct SimCluster::Dead {
  std::unique_ptr<Node> node;
  std::vector<Task<void>> closing;
};

SimCluster::SimCluster(SimClusterOptions options)
    : options_(options),
      world_({.seed = options.seed,
              .machines = options.nodes + options.client_machines,
              .shuffle = true}),
      boots_(&world_.scheduler()),
      nodes_(static_cast<size_t>(options.nodes)),
      lives_(static_cast<size_t>(options.nodes)),
      losses_of_power_(static_cast<size_t>(options.nodes)),
      rebuilt_(static_cast<size_t>(options.nodes), true) {
  for (size_t node = 0; node < nodes_.size(); ++node) {
    Start(node);
  }
  world_.scheduler().RunUntil([this] { return AllUp(); });
  for (int client = 0; client < options.client_machines; ++client) {
    clients_.push_back(MakeClient(options.nodes + client));
  }
}

std::unique_ptr<SimCluster::Client> SimCluster::MakeClient(int number) {
  const env::Env env = world_.machine(static_cast<size_t>(number)).env();
  auto client = std::make_unique<Client>();
  client->rpc = std::make_unique<node::Rpc>(env, IdOf(number), 1);
  const node::Rpc::Handler refuse = [](env::NodeId, node::Rpc::Method,
                                       Bytes) -> Task<Result<Bytes>> {
    co_return Status::InvalidArgument("a client serves nobody");
  };
  client->rpc->Start(refuse);
  client->coordinator = std::make_unique<replication::Coordinator>(
      // Shorter than clients wait, so that they come to the next home, and come back.
      replication::CoordinatorOptions{.partition_bits = kPartitionBits, .attempt_micros = 400'000},
      this, client->rpc.get(), env.clock, env.scheduler);
  return client;
}

SimCluster::~SimCluster() {
  for (size_t node = 0; node < nodes_.size(); ++node) {
    world_.machine(node).Kill(world_.random(), env::sim::CrashMode::kProcessDeath);
    Killed(node);
  }
  std::vector<Task<void>> last;
  last.push_back(boots_.Drain());
  for (const auto& client : clients_) {
    last.push_back(client->rpc->Close());
    last.push_back(client->coordinator->Close());
  }
  for (Task<void>& task : last) {
    world_.Run(std::move(task));
  }
  world_.scheduler().RunUntil([this] {
    return std::all_of(dead_.begin(), dead_.end(), [](const Dead& dead) {
      return std::all_of(dead.closing.begin(), dead.closing.end(),
                         [](const Task<void>& task) { return task.IsDone(); });
    });
  });
  Bury();
  assert(dead_.empty());
}

std::vector<env::NodeId> SimCluster::HomesOf(uint32_t partition) const {
  std::vector<env::NodeId> homes;
  for (int i = 0; i < options_.nodes; ++i) {
    homes.push_back(IdOf((static_cast<int>(partition) + i) % options_.nodes));
  }
  return homes;
}

bool SimCluster::AllUp() const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const auto& node) { return node != nullptr; });
}

void SimCluster::Start(size_t number) {
  assert(nodes_[number] == nullptr);
  boots_.Start(Boot(number));
}

Task<void> SimCluster::Boot(size_t number) {
  auto node = std::make_unique<Node>();
  const bool alive = co_await Open(number, node.get());
  if (alive) {
    nodes_[number] = std::move(node);
  } else {
    dead_.emplace_back().node = std::move(node);
  }
}

Task<bool> SimCluster::Open(size_t number, Node* node) {
  const int life = lives_[number];
  const env::Env env = world_.machine(number).env();
  const env::NodeId id = IdOf(static_cast<int>(number));
  node->db = Must(engine::Db::Open(SmallEngine(), env, kDirectory));
  node->store = std::make_unique<node::EngineLocalStore>(node->db.get());
  const replication::NumberSource::Options dots{.key = replication::NodeLocalKey("dots"),
                                                .block = 1000};
  node->dots = Must(replication::NumberSource::Open(dots, node->store.get(), env.scheduler));
  const replication::NumberSource::Options lives{.key = replication::NodeLocalKey("lives"),
                                                 .block = 1};
  node->lives = Must(replication::NumberSource::Open(lives, node->store.get(), env.scheduler));
  auto rpc_life = co_await node->lives->Take(1);
  if (lives_[number] != life) {
    co_return false;
  }
  node->rpc = std::make_unique<node::Rpc>(env, id, Must(std::move(rpc_life)));
  // Soon, so that it happens often.
  node->watch = std::make_unique<replication::MajorityWatch>(
      replication::MajorityWatchOptions{
          .self = id,
          .reach = {.degrade_after_micros = 300'000, .retry_micros = 100'000},
          .ask_micros = 100'000},
      this, node->rpc.get(), env.clock, env.scheduler);
  node->home = std::make_unique<replication::Home>(
      replication::HomeOptions{.partition_bits = kPartitionBits,
                               .page_bytes = 200,
                               .boot_id = std::to_string(losses_of_power_[number])},
      node->store.get(), node->watch.get(), env.scheduler);
  replication::ReplicatedPrimaryOptions options;
  options.self = id;
  options.partition_bits = kPartitionBits;
  options.storage_epoch = 1000 + id;
  options.pusher.tail = 4;
  options.max_keys = 2;
  node->primary = std::make_unique<replication::ReplicatedPrimary>(
      options, replication::ReplicatedPrimary::Parts{.placement = this,
                                                     .home = node->home.get(),
                                                     .peers = node->watch.get(),
                                                     .watch = node->watch.get(),
                                                     .store = node->store.get(),
                                                     .dots = node->dots.get(),
                                                     .hybrid_clock = &node->hybrid_clock,
                                                     .clock = env.clock,
                                                     .scheduler = env.scheduler});
  node->branches = std::make_unique<replication::Branches>(
      replication::BranchesOptions{.self = id,
                                   .partition_bits = kPartitionBits,
                                   .push_micros = 100'000,
                                   .install_micros = 300'000,
                                   .merge_micros = 1'000'000,
                                   .merge_every_micros = 200'000},
      replication::Branches::Parts{.placement = this,
                                   .home = node->home.get(),
                                   .watch = node->watch.get(),
                                   .random = env.random,
                                   .hybrid_clock = &node->hybrid_clock,
                                   .clock = env.clock,
                                   .scheduler = env.scheduler});
  node->service = std::make_unique<replication::Service>(node->home.get(), node->primary.get(),
                                                         node->branches.get());
  replication::Service* const service = node->service.get();
  node->rpc->Start([service](env::NodeId from, node::Rpc::Method method, Bytes body) {
    return service->Handle(from, method, std::move(body));
  });
  node->rebuilder = std::make_unique<replication::Rebuilder>(
      replication::RebuilderOptions{.self = id}, this, node->home.get(), node->rpc.get(),
      env.random, env.scheduler);
  node->rebuilder->Start();
  node->primary->Start();
  node->branches->Start();
  node->loops = std::make_unique<env::TaskSet>(env.scheduler);
  node->loops->Start(TidyNowAndThen(node, env.scheduler));
  co_return true;
}

Task<void> SimCluster::TidyNowAndThen(Node* node, env::Scheduler* scheduler) {
  while (!node->closing) {
    co_await env::SleepFor(scheduler, kTidyMicros);
    const Status tidied = co_await node->home->Tidy();
    if (!tidied.ok()) {
      co_return;  // the disk is that of a dead machine
    }
  }
}

void SimCluster::Killed(size_t number) {
  ++lives_[number];
  if (nodes_[number] == nullptr) {
    return;  // it was about to start, and will notice
  }
  Dead& dead = dead_.emplace_back();
  dead.node = std::move(nodes_[number]);
  dead.node->closing = true;
  dead.closing.push_back(dead.node->primary->Close());
  dead.closing.push_back(dead.node->rebuilder->Close());
  dead.closing.push_back(dead.node->branches->Close());
  dead.closing.push_back(dead.node->watch->Close());
  dead.closing.push_back(dead.node->rpc->Close());
  dead.closing.push_back(dead.node->loops->Drain());
}

void SimCluster::LostPower(size_t number) {
  ++losses_of_power_[number];
  rebuilt_[number] = false;
}

bool SimCluster::IsSound(size_t number) {
  if (!rebuilt_[number] && nodes_[number] != nullptr && nodes_[number]->rebuilder->IsDone()) {
    rebuilt_[number] = true;
  }
  return rebuilt_[number];
}

bool SimCluster::AllSound() {
  bool all = AllUp();
  for (size_t node = 0; node < nodes_.size(); ++node) {
    all = IsSound(node) && all;
  }
  return all;
}

bool SimCluster::MayLosePower(size_t number) {
  size_t sound = 0;
  for (size_t node = 0; node < nodes_.size(); ++node) {
    sound += node != number && IsSound(node) ? 1 : 0;
  }
  const size_t majority = nodes_.size() / 2 + 1;
  return nodes_.size() - sound < majority;
}

void SimCluster::Bury() {
  std::erase_if(dead_, [](Dead& dead) {
    if (!std::all_of(dead.closing.begin(), dead.closing.end(),
                     [](const Task<void>& task) { return task.IsDone(); })) {
      return false;
    }
    dead.node.reset();
    return true;
  });
}

bool SimCluster::NothingBranched() {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node == nullptr || Must(node->home->BranchedPks({}, 1)).empty();
  });
}

std::map<Bytes, Bytes> SimCluster::Contents(int node, ByteView pk) {
  std::map<Bytes, Bytes> contents;
  const Bytes prefix = replication::PkPrefix(pk);
  const auto entries =
      nodes_[static_cast<size_t>(node)]->store->Scan(prefix, replication::PrefixEnd(prefix));
  for (; entries->Valid(); entries->Next()) {
    contents[Bytes(entries->key())] = Bytes(entries->value());
  }
  return contents;
}

}  // namespace kvfs::sim
