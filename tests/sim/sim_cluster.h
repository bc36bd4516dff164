// SimCluster: the nodes of a cluster on simulated machines, all homes of every partition, and
// machines for the clients, which are homes of none. Machines may be killed and started
// again on what their disks hold. Single-threaded; what happens is told by the seed.
#pragma once

#include <memory>
#include <vector>

#include "kvcore/engine/db.h"
#include "kvcore/env/sim/sim_world.h"
#include "kvcore/env/task_set.h"
#include "kvcore/node/engine_local_store.h"
#include "kvcore/node/rpc.h"
#include "kvcore/replication/branches.h"
#include "kvcore/replication/coordinator.h"
#include "kvcore/replication/rebuilder.h"
#include "kvcore/replication/replicated_primary.h"
#include "kvcore/replication/service.h"

namespace kvfs::sim {

struct SimClusterOptions {
  uint64_t seed = 1;
  int nodes = 3;
  int client_machines = 1;
};

class SimCluster final : public replication::Placement {
 public:
  explicit SimCluster(SimClusterOptions options);
  ~SimCluster() override;

  env::sim::SimWorld& world() { return world_; }
  const env::sim::SimWorld& world() const { return world_; }
  // Clients are spread over their machines.
  replication::Coordinator& client(int client) {
    return *clients_[static_cast<size_t>(client) % clients_.size()]->coordinator;
  }
  int nodes() const { return options_.nodes; }

  bool IsUp(int node) const { return nodes_[static_cast<size_t>(node)] != nullptr; }
  bool AllUp() const;
  // The node's machine was killed: what ran on it goes to its end by itself.
  void Killed(size_t node);
  // It lost power too: what it starts on is another boot.
  void LostPower(size_t node);
  // Whether enough others are sound that nothing is lost if this one loses power now.
  bool MayLosePower(size_t node);
  // What a loss of power took was rebuilt.
  bool IsSound(size_t node);
  bool AllSound();
  // Opens the store on the disk of the machine's present life; up some tasks later.
  void Start(size_t node);
  // Destroys dead nodes in which nothing runs any more. Not from within a task.
  void Bury();
  // Nothing that was taken in without a majority is still to be merged.
  bool NothingBranched();
  // Of one pk, the whole range as it lies on a node.
  std::map<Bytes, Bytes> Contents(int node, ByteView pk);

  std::vector<env::NodeId> HomesOf(uint32_t partition) const override;
  static env::NodeId IdOf(int node) { return static_cast<env::NodeId>(node) + 1; }

 private:
  struct Node;
  struct Dead;
  struct Client {
    std::unique_ptr<node::Rpc> rpc;
    std::unique_ptr<replication::Coordinator> coordinator;
  };

  std::unique_ptr<Client> MakeClient(int number);
  static Task<void> TidyNowAndThen(Node* node, env::Scheduler* scheduler);
  Task<void> Boot(size_t number);
  // False: the machine has died in between.
  Task<bool> Open(size_t number, Node* node);

  const SimClusterOptions options_;
  env::sim::SimWorld world_;
  env::TaskSet boots_;
  std::vector<std::unique_ptr<Node>> nodes_;  // null: dead, or not yet up
  std::vector<int> lives_;                    // of the machines
  std::vector<int> losses_of_power_;          // likewise; of the boots that ended so
  std::vector<bool> rebuilt_;                 // what the last of them took
  std::vector<Dead> dead_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace kvfs::sim
