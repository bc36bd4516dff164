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
  versioning::HybridClock hybrid_clock{60'000};
  std::unique_ptr<node::Rpc> rpc;
  std::unique_ptr<replication::Home> home;
  std::unique_ptr<replication::ReplicatedPrimary> primary;
  std::unique_ptr<replication::Service> service;
};

SimCluster::SimCluster(SimClusterOptions options)
    : options_(options),
      world_({.seed = options.seed, .machines = options.nodes + 1, .shuffle = true}) {
  nodes_.resize(static_cast<size_t>(options.nodes));
  for (int node = 0; node < options.nodes; ++node) {
    Start(node);
  }
  env::Env env = world_.machine(static_cast<size_t>(options.nodes)).env();
  client_ = std::make_unique<Client>();
  client_->rpc = std::make_unique<node::Rpc>(env, IdOf(options.nodes), 1);
  const node::Rpc::Handler refuse = [](env::NodeId, node::Rpc::Method,
                                       Bytes) -> Task<Result<Bytes>> {
    co_return Status::InvalidArgument("a client serves nobody");
  };
  client_->rpc->Start(refuse);
  client_->coordinator = std::make_unique<replication::Coordinator>(
      replication::CoordinatorOptions{.partition_bits = kPartitionBits}, this, client_->rpc.get(),
      env.clock, env.scheduler);
}

SimCluster::~SimCluster() {
  for (int node = 0; node < options_.nodes; ++node) {
    if (IsUp(node)) {
      Kill(node);
    }
  }
  Task<void> stopped = client_->rpc->Close();
  world_.scheduler().RunUntil([&] { return stopped.IsDone(); });
  stopped.TakeValue();
  Task<void> drained = client_->coordinator->Close();
  world_.scheduler().RunUntil([&] { return drained.IsDone(); });
  drained.TakeValue();
}

std::vector<env::NodeId> SimCluster::HomesOf(uint32_t partition) const {
  std::vector<env::NodeId> homes;
  for (int i = 0; i < options_.nodes; ++i) {
    homes.push_back(IdOf((static_cast<int>(partition) + i) % options_.nodes));
  }
  return homes;
}

void SimCluster::Start(int number) {
  assert(!IsUp(number));
  env::sim::SimEnv& machine = world_.machine(static_cast<size_t>(number));
  env::Env env = machine.env();
  auto node = std::make_unique<Node>();
  node->db = Must(engine::Db::Open(SmallEngine(), env, kDirectory));
  node->store = std::make_unique<node::EngineLocalStore>(node->db.get());
  replication::NumberSource::Options dots{.key = replication::NodeLocalKey("dots"), .block = 1000};
  node->dots = Must(replication::NumberSource::Open(dots, node->store.get(), env.scheduler));
  replication::NumberSource::Options lives{.key = replication::NodeLocalKey("lives"), .block = 1};
  const auto life_source =
      Must(replication::NumberSource::Open(lives, node->store.get(), env.scheduler));
  const uint64_t life = Must(world_.Run(life_source->Take(1)));
  node->rpc = std::make_unique<node::Rpc>(env, IdOf(number), life);
  node->home = std::make_unique<replication::Home>(
      replication::HomeOptions{.partition_bits = kPartitionBits, .page_bytes = 200},
      node->store.get(), node->rpc.get(), env.scheduler);
  replication::ReplicatedPrimaryOptions options;
  options.self = IdOf(number);
  options.partition_bits = kPartitionBits;
  options.storage_epoch = 1000 + IdOf(number);
  options.pusher.tail = 4;
  options.max_keys = 2;
  node->primary = std::make_unique<replication::ReplicatedPrimary>(
      options, replication::ReplicatedPrimary::Parts{.placement = this,
                                                     .home = node->home.get(),
                                                     .peers = node->rpc.get(),
                                                     .store = node->store.get(),
                                                     .dots = node->dots.get(),
                                                     .hybrid_clock = &node->hybrid_clock,
                                                     .clock = env.clock,
                                                     .scheduler = env.scheduler});
  node->service = std::make_unique<replication::Service>(node->home.get(), node->primary.get());
  replication::Service* const service = node->service.get();
  node->rpc->Start([service](env::NodeId from, node::Rpc::Method method, Bytes body) {
    return service->Handle(from, method, std::move(body));
  });
  nodes_[static_cast<size_t>(number)] = std::move(node);
}

void SimCluster::Kill(int number) {
  assert(IsUp(number));
  env::sim::SimEnv& machine = world_.machine(static_cast<size_t>(number));
  Node& node = *nodes_[static_cast<size_t>(number)];
  // From here on nothing it does has an effect; then everything in it comes to its end.
  machine.files().PowerOffAt(0);
  Task<void> given_up = node.primary->Close();
  Task<void> stopped = node.rpc->Close();
  world_.scheduler().RunUntil([&] { return given_up.IsDone() && stopped.IsDone(); });
  given_up.TakeValue();
  stopped.TakeValue();
  nodes_[static_cast<size_t>(number)].reset();
  machine.files().Crash(world_.random(), env::sim::CrashMode::kProcessDeath);
  machine.files().ClearFaults();
}

void SimCluster::Cut(const std::vector<int>& from, const std::vector<int>& to, bool both) {
  for (const int a : from) {
    for (const int b : to) {
      world_.bus().Cut(IdOf(a), IdOf(b));
      if (both) {
        world_.bus().Cut(IdOf(b), IdOf(a));
      }
    }
  }
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
