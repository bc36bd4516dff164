// Workload: what clients do to a cluster in trouble, and how one sees afterwards that they were
// told the truth. One object per seed. Single-threaded, in virtual time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kvcore/env/sim/sim_random.h"
#include "kvcore/replication/coordinator.h"
#include "tests/sim/sim_cluster.h"

namespace kvfs::sim {

inline constexpr int64_t kMillis = 1000;
inline constexpr int64_t kSecond = 1000 * kMillis;

// What the script of a seed gives a workload; outlives it.
struct WorkloadParts {
  SimCluster* cluster = nullptr;
  env::sim::SimRandom* random = nullptr;
  bool sync = false;  // every change is to be on disk when it is acknowledged, not only some
};

class Workload {
 public:
  explicit Workload(const WorkloadParts& parts) : parts_(parts) {}
  virtual ~Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  // Before anything fails.
  virtual Task<void> Setup() { co_return; }
  // One operation of a client, its `number`th; whatever it is told is kept.
  virtual Task<void> Step(int client, int number) = 0;
  // When all is quiet. What cannot be, or "".
  virtual Task<std::string> Check() = 0;
  virtual std::vector<std::string> Pks() const = 0;
  virtual size_t operations() const = 0;
  size_t degraded() const { return degraded_; }  // done without a majority
  // Everything that was not acknowledged as synced may have been lost this moment; so what clients
  // saw before, or are about to be told they saw, says nothing any more.
  virtual void AllLostPower() {}

 protected:
  enum class Told : uint8_t { kOk, kConflict, kUnknown, kNever };
  // Submits until it is known what became of it, or now and then gives up (kUnknown). kNever: it
  // neither happened nor will. `available`: also without a majority.
  Task<Told> Submit(int client, int number, replication::Txn txn, bool available = false);
  replication::Coordinator& At(int client) { return parts_.cluster->client(client); }
  int64_t Now() { return parts_.cluster->world().scheduler().NowMicros(); }
  env::sim::SimRandom& random() { return *parts_.random; }

  size_t degraded_ = 0;

 private:
  const WorkloadParts parts_;
};

using MakeWorkload = std::function<std::unique_ptr<Workload>(const WorkloadParts&)>;

}  // namespace kvfs::sim
