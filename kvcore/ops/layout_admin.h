// LayoutAdmin: serves what kvfs-admin asks about changes of a cluster's layout: has one decided,
// and tells how far it is.
//
// Owned by the composition root; borrows the node, and is not asked once that is closed.
// Thread-safe.
#pragma once

#include "kvcore/node/cluster_node.h"
#include "kvcore/ops/admin_service.h"

namespace kvfs::ops {

class LayoutAdmin final : public AdminHandler {
 public:
  explicit LayoutAdmin(node::ClusterNode* node) : node_(node) {}
  void RegisterWith(AdminService* service);

  Task<AdminResponse> Handle(AdminRequest request) override;

 private:
  Task<AdminResponse> Apply(admin::ApplyRequest request);
  Task<AdminResponse> Transfers();

  node::ClusterNode* const node_;
};

}  // namespace kvfs::ops
