#include "tests/sim/simulation.h"

#include <utility>

#include "kvcore/replication/keys.h"

namespace kvfs::sim {
namespace {

using env::sim::Happens;
using env::sim::Uniform;

constexpr int64_t kMinute = 60 * kSecond;

// Mostly three homes; with five, two may be apart and hold what nobody else does.
SimClusterOptions DrawCluster(const SimulationOptions& options, env::Random& random) {
  SimClusterOptions cluster;
  cluster.seed = options.seed;
  constexpr int kSizes[] = {3, 3, 3, 3, 3, 5, 5, 5, 4, 2};
  cluster.nodes = kSizes[Uniform(random, std::size(kSizes))];
  if (options.nodes > 0) {
    cluster.nodes = options.nodes;
  }
  cluster.client_machines = 1 + static_cast<int>(Uniform(random, 3));
  return cluster;
}

env::sim::FaultPlan DrawPlan(const SimCluster& cluster, Power power, env::Random& random) {
  using env::sim::FaultKind;
  env::sim::FaultBounds bounds;
  env::sim::FaultPlan plan = env::sim::DrawFaultPlan(bounds, random);
  if (power != Power::kStays) {
    const FaultKind kind =
        power == Power::kFailsInPlaces ? FaultKind::kPowerLoss : FaultKind::kBlackout;
    plan.kinds.push_back(kind);
  }
  plan.mortal_machines = static_cast<size_t>(cluster.nodes());  // who asks does not die
  return plan;
}

// Of a pk's range; the state is the first entry.
std::string StateOf(const std::map<Bytes, Bytes>& contents) {
  const auto state = contents.empty()
                         ? replication::PkState{}
                         : replication::DecodePkState(contents.begin()->second).value();
  return "(" + std::to_string(state.epoch.number) + " of " + std::to_string(state.epoch.node) +
         ", " + std::to_string(state.seq) + ")";
}

}  // namespace

Simulation::Simulation(const SimulationOptions& options, const MakeWorkload& make)
    : options_(options),
      random_(options.seed ^ 0x5eed),
      cluster_(DrawCluster(options, random_)),
      workload_(make({.cluster = &cluster_,
                      .random = &random_,
                      .sync = options.power == Power::kFailsEverywhere})),
      max_pause_micros_(Happens(random_, 0.5) ? 20 * kMillis : 200 * kMillis),
      tasks_(&cluster_.world().scheduler()),
      nemesis_(&cluster_.world(), DrawPlan(cluster_, options.power, random_),
               {.killed = [this](size_t node) { cluster_.Killed(node); },
                .start = [this](size_t node) { cluster_.Start(node); },
                .may_lose_power = [this](size_t node) { return cluster_.MayLosePower(node); },
                .lost_power = [this](size_t node) { LostPower(node); }}) {}

void Simulation::LostPower(size_t node) {
  cluster_.LostPower(node);
  if (options_.power == Power::kFailsEverywhere) {
    workload_->AllLostPower();
  }
}

bool Simulation::RunToEnd(const Task<void>& task) {
  return cluster_.world().scheduler().RunUntil([&] { return task.IsDone(); }, kMinute);
}

std::string Simulation::Run() {
  cluster_.world().Run(workload_->Setup());
  nemesis_.Start();
  for (int client = 0; client < options_.clients; ++client) {
    tasks_.Start(Client(client));
  }
  Trouble();
  return Quiet();
}

void Simulation::Trouble() {
  const int64_t end = Now() + kMinute + options_.operations * kSecond / 2;
  while (done_ < options_.clients && Now() < end) {
    cluster_.world().RunFor(20 * kMillis);
    cluster_.Bury();
  }
}

std::string Simulation::Quiet() {
  env::sim::SimScheduler& scheduler = cluster_.world().scheduler();
  quiet_ = true;
  nemesis_.Quieten();
  if (!scheduler.RunUntil([&] { return cluster_.AllUp(); }, kMinute)) {
    return "a node has not come up a minute after the last fault";
  }
  if (!scheduler.RunUntil([&] { return cluster_.AllSound(); }, kMinute)) {
    return "a node is not rebuilt a minute after the last fault";
  }
  if (!scheduler.RunUntil([&] { return done_ == options_.clients; }, kMinute)) {
    return "clients still wait a minute after the last fault";
  }
  if (!scheduler.RunUntil([&] { return cluster_.NothingBranched(); }, kMinute)) {
    return "a branch is not merged a minute after the last fault";
  }
  std::string wrong = "the last look takes more than a minute";
  Task<void> check = Check(&wrong);
  (void)RunToEnd(check);
  cluster_.world().Run(std::move(check));
  if (!wrong.empty()) {
    return wrong;
  }
  cluster_.world().Run(ReadFromAll(&wrong));
  if (!wrong.empty()) {
    return wrong;
  }
  for (const std::string& pk : workload_->Pks()) {
    const auto first = cluster_.Contents(0, pk);
    for (int node = 1; node < cluster_.nodes(); ++node) {
      const auto other = cluster_.Contents(node, pk);
      if (other != first) {
        return "the homes differ in " + pk + ": 0 has " + std::to_string(first.size()) +
               " entries in state " + StateOf(first) + ", " + std::to_string(node) + " has " +
               std::to_string(other.size()) + " in " + StateOf(other);
      }
    }
  }
  return "";
}

Task<void> Simulation::Check(std::string* wrong) { *wrong = co_await workload_->Check(); }

Task<void> Simulation::ReadFromAll(std::string* wrong) {
  for (const std::string& pk : workload_->Pks()) {
    std::vector<Bytes> cks(1, "z");
    const auto items = co_await cluster_.client(0).Read(pk, std::move(cks), 30 * kSecond,
                                                        replication::ReadLevel::kAll);
    if (!items.ok()) {
      *wrong = "not every home comes to hold " + pk + ": " + items.status().ToString();
    }
  }
}

Task<void> Simulation::Client(int client) {
  for (int i = 0; i < options_.operations && !quiet_; ++i) {
    co_await workload_->Step(client, i);
    const auto pause =
        static_cast<int64_t>(Uniform(random_, static_cast<uint64_t>(max_pause_micros_)));
    co_await env::SleepFor(&cluster_.world().scheduler(), pause);
  }
  ++done_;
}

}  // namespace kvfs::sim
