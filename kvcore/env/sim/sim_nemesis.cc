#include "kvcore/env/sim/sim_nemesis.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace kvfs::env::sim {
namespace {

constexpr int64_t kMaxJumpNanos = int64_t{3600} * 1'000'000'000;
constexpr int64_t kMaxDriftMicrosPerSecond = 200'000;

// Anything from nothing to `max`, nothing every other time.
double DrawRate(Random& random, double max) {
  return Happens(random, 0.5) ? max * static_cast<double>(Uniform(random, 1001)) / 1000 : 0;
}
int64_t DrawBetween(Random& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(Uniform(random, static_cast<uint64_t>(high - low) + 1));
}

}  // namespace

std::string_view FaultKindName(FaultKind kind) {
  static constexpr std::array<std::string_view, kFaultKindCount> kNames = {
      "partition", "one-way cut", "clog", "pause", "kill", "clock jump", "power loss", "blackout"};
  return kNames[static_cast<size_t>(kind)];
}

std::string FaultPlan::ToString() const {
  std::string text =
      "loss " + std::to_string(link.loss) + ", duplication " + std::to_string(link.duplication) +
      ", lateness " + std::to_string(link.lateness) + " up to " +
      std::to_string(link.max_late_micros) + " us; every " + std::to_string(mean_gap_micros) +
      " us for " + std::to_string(mean_fault_micros) + " us:";
  for (const FaultKind kind : kinds) {
    text += " " + std::string(FaultKindName(kind)) + ",";
  }
  text.pop_back();
  return text;
}

FaultPlan DrawFaultPlan(const FaultBounds& bounds, Random& random) {
  FaultPlan plan;
  plan.link.loss = DrawRate(random, bounds.max_loss);
  plan.link.duplication = DrawRate(random, bounds.max_duplication);
  plan.link.lateness = DrawRate(random, bounds.max_lateness);
  plan.link.max_late_micros = DrawBetween(random, 0, bounds.max_late_micros);
  for (const FaultKind kind : bounds.kinds) {
    if (Happens(random, 0.6)) {
      plan.kinds.push_back(kind);
    }
  }
  plan.mean_gap_micros = DrawBetween(random, bounds.min_gap_micros, bounds.max_gap_micros);
  plan.mean_fault_micros = DrawBetween(random, 1000, bounds.max_fault_micros);
  return plan;
}

SimNemesis::SimNemesis(SimWorld* world, FaultPlan plan, Hooks hooks)
    : world_(world),
      plan_(std::move(plan)),
      hooks_(std::move(hooks)),
      random_(world->random().Next()),
      dead_(world->machine_count()) {
  for ([[maybe_unused]] const FaultKind kind : plan_.kinds) {
    assert(kind != FaultKind::kKill || (hooks_.killed && hooks_.start));
    assert(kind < FaultKind::kPowerLoss ||
           (hooks_.killed && hooks_.start && hooks_.may_lose_power && hooks_.lost_power));
  }
}

SimNemesis::~SimNemesis() {
  world_->scheduler().Cancel(next_);
  for (const auto& [id, fault] : faults_) {
    world_->scheduler().Cancel(fault.timer);
  }
}

void SimNemesis::Start() {
  assert(!started_);
  started_ = true;
  Log(plan_.ToString());
  world_->bus().SetDefaultLink(plan_.link);
  PlanNext();
}

void SimNemesis::Quieten() {
  world_->scheduler().Cancel(next_);
  Log("quiet");
  while (!faults_.empty()) {
    const auto first = faults_.extract(faults_.begin());
    world_->scheduler().Cancel(first.mapped().timer);
    first.mapped().end();
  }
  world_->bus().SetDefaultLink({});
  world_->bus().MendAll();
  for (size_t i = 0; i < world_->machine_count(); ++i) {
    world_->machine(i).clock().SetDrift(0);
  }
}

void SimNemesis::PlanNext() {
  if (plan_.kinds.empty()) {
    return;
  }
  next_ = world_->scheduler().PostAfter(DrawAround(plan_.mean_gap_micros), Priority::kForeground,
                                        [this] {
                                          Begin(plan_.kinds[Uniform(random_, plan_.kinds.size())]);
                                          PlanNext();
                                        });
}

void SimNemesis::Begin(FaultKind kind) {
  switch (kind) {
    case FaultKind::kPartition:
      return BeginPartition();
    case FaultKind::kOneWayCut:
      return BeginOneWayCut();
    case FaultKind::kClog:
      return BeginClog();
    case FaultKind::kPause:
      return BeginPause();
    case FaultKind::kKill:
      return BeginKill();
    case FaultKind::kClockJump:
      return JumpClock();
    case FaultKind::kPowerLoss:
      return BeginPowerLoss();
    case FaultKind::kBlackout:
      return BeginBlackout();
  }
}

void SimNemesis::BeginPartition() {
  // Of either side, or of both: such a bridge talks to everybody.
  std::map<NodeId, int> sides;
  std::string names;
  for (const NodeId node : world_->bus().Nodes()) {
    const int side = Happens(random_, 0.2) ? 2 : Happens(random_, 0.5) ? 1 : 0;
    sides[node] = side;
    names += std::string(" ") + "-+="[side] + std::to_string(node);
  }
  std::vector<SimMessageBus::Link> links;
  for (const auto& [from, side] : sides) {
    for (const auto& [to, other] : sides) {
      if (side + other == 1) {
        links.emplace_back(from, to);
      }
    }
  }
  Cut(FaultKind::kPartition, "partition" + names, std::move(links));
}

void SimNemesis::BeginOneWayCut() {
  SimMessageBus::Link link;
  if (!DrawLink(&link)) {
    return;
  }
  std::string name = std::to_string(link.first) + " to " + std::to_string(link.second);
  std::vector<SimMessageBus::Link> links{link};
  const uint64_t breadth = Uniform(random_, 4);
  if (breadth < 2) {  // the node is mute, or deaf
    name = (breadth == 0 ? "all from " : "all to ") + std::to_string(link.first);
    links.clear();
    for (const NodeId other : world_->bus().Nodes()) {
      links.emplace_back(breadth == 0 ? link.first : other, breadth == 0 ? other : link.first);
    }
  }
  Cut(FaultKind::kOneWayCut, "cut " + name, std::move(links));
}

void SimNemesis::Cut(FaultKind kind, const std::string& name,
                     std::vector<SimMessageBus::Link> links) {
  if (links.empty()) {
    return;
  }
  ++counts_[static_cast<size_t>(kind)];
  Log(name);
  for (const auto& [from, to] : links) {
    world_->bus().Cut(from, to);
  }
  EndLater([this, links, name] {
    for (const auto& [from, to] : links) {
      world_->bus().Mend(from, to);
    }
    Log("over: " + name);
  });
}

void SimNemesis::BeginClog() {
  SimMessageBus::Link link;
  if (!DrawLink(&link)) {
    return;
  }
  ++counts_[static_cast<size_t>(FaultKind::kClog)];
  const int64_t micros = DrawAround(plan_.mean_fault_micros);
  Log("clogged " + std::to_string(link.first) + " to " + std::to_string(link.second) + " for " +
      std::to_string(micros) + " us");
  world_->bus().Clog(link.first, link.second, micros);
}

void SimNemesis::BeginPause() {
  const size_t machine = DrawMachine();
  if (dead_[machine] || world_->machine(machine).paused()) {
    return;
  }
  ++counts_[static_cast<size_t>(FaultKind::kPause)];
  Log("paused machine " + std::to_string(machine));
  world_->machine(machine).Pause();
  EndLater([this, machine] {
    world_->machine(machine).Resume();  // of no effect if it was killed meanwhile
    Log("resumed machine " + std::to_string(machine));
  });
}

size_t SimNemesis::MortalMachines() const {
  return plan_.mortal_machines == 0 ? world_->machine_count() : plan_.mortal_machines;
}

CrashMode SimNemesis::DrawPowerLoss() {
  return Happens(random_, 0.3) ? CrashMode::kPowerLossMinimum : CrashMode::kPowerLoss;
}

void SimNemesis::Kill(size_t machine, CrashMode mode) {
  world_->machine(machine).Kill(random_, mode);
  if (!dead_[machine]) {
    dead_[machine] = true;
    hooks_.killed(machine);
    EndLater([this, machine] {
      dead_[machine] = false;
      Log("started machine " + std::to_string(machine));
      hooks_.start(machine);
    });
  }
  if (mode != CrashMode::kProcessDeath) {
    hooks_.lost_power(machine);
  }
}

void SimNemesis::BeginKill() {
  const size_t machine = Uniform(random_, MortalMachines());
  if (dead_[machine]) {
    return;
  }
  ++counts_[static_cast<size_t>(FaultKind::kKill)];
  Log("killed machine " + std::to_string(machine));
  Kill(machine, CrashMode::kProcessDeath);
}

void SimNemesis::BeginPowerLoss() {
  const size_t machine = Uniform(random_, MortalMachines());
  if (!hooks_.may_lose_power(machine)) {
    return;
  }
  ++counts_[static_cast<size_t>(FaultKind::kPowerLoss)];
  Log("machine " + std::to_string(machine) + " lost power");
  Kill(machine, DrawPowerLoss());
}

void SimNemesis::BeginBlackout() {
  ++counts_[static_cast<size_t>(FaultKind::kBlackout)];
  Log("all machines lost power");
  for (size_t machine = 0; machine < MortalMachines(); ++machine) {
    Kill(machine, DrawPowerLoss());
  }
}

void SimNemesis::JumpClock() {
  ++counts_[static_cast<size_t>(FaultKind::kClockJump)];
  const size_t machine = DrawMachine();
  SimClock& clock = world_->machine(machine).clock();
  if (Happens(random_, 0.5)) {
    const int64_t nanos = DrawBetween(random_, -kMaxJumpNanos, kMaxJumpNanos);
    Log("clock of machine " + std::to_string(machine) + " jumped by " + std::to_string(nanos) +
        " ns");
    clock.JumpWall(nanos);
  } else {
    const int64_t drift = DrawBetween(random_, -kMaxDriftMicrosPerSecond, kMaxDriftMicrosPerSecond);
    Log("clock of machine " + std::to_string(machine) + " gains " + std::to_string(drift) +
        " us per second");
    clock.SetDrift(drift);
  }
}

void SimNemesis::EndLater(std::function<void()> end) {
  const uint64_t id = ++last_fault_;
  Fault& fault = faults_[id];
  fault.end = std::move(end);
  fault.timer =
      world_->scheduler().PostAfter(DrawAround(plan_.mean_fault_micros), Priority::kForeground,
                                    [this, id] { faults_.extract(id).mapped().end(); });
}

void SimNemesis::Log(const std::string& line) {
  log_.push_back(std::to_string(world_->scheduler().NowMicros()) + " us: " + line);
}

// Uniform up to twice the mean.
int64_t SimNemesis::DrawAround(int64_t mean) { return DrawBetween(random_, 0, 2 * mean); }

bool SimNemesis::DrawLink(SimMessageBus::Link* link) {
  const std::vector<NodeId> nodes = world_->bus().Nodes();
  if (nodes.size() < 2) {
    return false;
  }
  const size_t from = Uniform(random_, nodes.size());
  const size_t to = (from + 1 + Uniform(random_, nodes.size() - 1)) % nodes.size();
  *link = {nodes[from], nodes[to]};
  return true;
}

}  // namespace kvfs::env::sim
