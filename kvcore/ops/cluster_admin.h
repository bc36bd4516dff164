// ClusterAdmin: serves what kvfs-admin asks of a node of a cluster: status, members, ring, where a
// key lies. What the other nodes know of themselves it asks them.
//
// Owned by the composition root; borrows the node, and is closed when that is, before it goes.
// Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kvcore/client/cluster_client.h"
#include "kvcore/env/async_mutex.h"
#include "kvcore/node/cluster_node.h"
#include "kvcore/node/routed_placement.h"
#include "kvcore/ops/admin_service.h"
#include "kvcore/ops/kv_admin.h"

namespace kvfs::ops {

class ClusterAdmin final : public AdminHandler, public StatusContributor, public MetricSource {
 public:
  // The node has a layout and takes part in the gossip. `version`: of this build.
  ClusterAdmin(node::ClusterNode* node, std::string version);

  // All commands that a node of a cluster serves.
  void RegisterWith(AdminService* service);

  Task<AdminResponse> Handle(AdminRequest request) override;
  Task<Status> Contribute(admin::StatusResponse* status) override;
  void AddMetrics(MetricList* list) override;

  // No command may come afterwards. Returns when nothing runs.
  Task<void> Close();

 private:
  Result<admin::NodeStatus> Report();
  Task<Result<Bytes>> AskForReport(env::NodeId node);
  Task<AdminResponse> ExplainKey(Bytes pk);
  Task<AdminResponse> Relay(admin::RelayRequest request);
  Task<AdminResponse> Verify();
  // The node as a client of its own cluster; opened when first needed.
  Task<Result<client::Client*>> OpenClient();

  node::ClusterNode* const node_;
  const std::string version_;
  const int64_t started_micros_;
  const node::RoutedPlacement placement_;
  KvAdmin kv_;
  env::AsyncMutex opening_;  // guards the one below
  std::unique_ptr<client::ClusterClient> client_;
};

}  // namespace kvfs::ops
