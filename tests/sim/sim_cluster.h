// SimCluster: the nodes of a cluster on simulated machines, all homes of every partition, and
// one machine for the clients, which is a home of none. Nodes may be killed and started
// again on what their disks hold. Single-threaded; what happens is told by the seed.
#pragma once

#include <memory>
#include <vector>

#include "kvcore/engine/db.h"
#include "kvcore/env/sim/sim_world.h"
#include "kvcore/node/engine_local_store.h"
#include "kvcore/node/rpc.h"
#include "kvcore/replication/coordinator.h"
#include "kvcore/replication/replicated_primary.h"
#include "kvcore/replication/service.h"

namespace kvfs::sim {

struct SimClusterOptions {
  uint64_t seed = 1;
  int nodes = 3;
};

class SimCluster final : public replication::Placement {
 public:
  explicit SimCluster(SimClusterOptions options);
  ~SimCluster() override;

  env::sim::SimWorld& world() { return world_; }
  replication::Coordinator& client() { return *client_->coordinator; }
  int nodes() const { return options_.nodes; }

  bool IsUp(int node) const { return nodes_[static_cast<size_t>(node)] != nullptr; }
  // The process dies; what its kernel had stays. REQUIRES: it is up. Not from within a task.
  void Kill(int node);
  void Start(int node);
  // All links between two groups, in both directions or only from the first to the second.
  void Cut(const std::vector<int>& from, const std::vector<int>& to, bool both);
  // Of one pk, the whole range as it lies on a node.
  std::map<Bytes, Bytes> Contents(int node, ByteView pk);

  std::vector<env::NodeId> HomesOf(uint32_t partition) const override;
  static env::NodeId IdOf(int node) { return static_cast<env::NodeId>(node) + 1; }

 private:
  struct Node;
  struct Client {
    std::unique_ptr<node::Rpc> rpc;
    std::unique_ptr<replication::Coordinator> coordinator;
  };

  const SimClusterOptions options_;
  env::sim::SimWorld world_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<Client> client_;
};

}  // namespace kvfs::sim
