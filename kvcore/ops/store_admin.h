// StoreAdmin: serves what kvfs-admin asks of the store itself: its part of `status`,
// engine stats, chunks, checkpoints, compaction, verification. Owned by the composition
// root; borrows the node. Thread-safe.
#pragma once

#include <string>

#include "kvcore/node/node.h"
#include "kvcore/ops/admin_service.h"

namespace kvfs::ops {

class StoreAdmin final : public AdminHandler, public StatusContributor, public MetricSource {
 public:
  explicit StoreAdmin(node::Node* node) : node_(node) {}

  // All commands above.
  void RegisterWith(AdminService* service);

  Task<AdminResponse> Handle(AdminRequest request) override;
  Task<Status> Contribute(admin::StatusResponse* status) override;
  void AddMetrics(MetricList* list) override;

 private:
  Task<AdminResponse> ChunkInfo(admin::ChunkInfoRequest request);
  Task<AdminResponse> Checkpoint(admin::CheckpointRequest request);
  Task<AdminResponse> Compact();
  Task<AdminResponse> Verify();

  node::Node* const node_;
};

// Where what is being explained lies: the nodes that hold it, and how far the transactions of its
// partition key have come.
Status FillPlaces(node::Node* node, admin::ExplainResponse* explain);

// Checks every checksum of the engine's files.
Task<AdminResponse> VerifyStore(engine::Db* db);

// Reads everything in the store and says what is wrong with it. `is_shared`: other nodes write
// there.
AdminResponse CheckStoreOf(const node::Identity& identity, const admin::CheckRequest& request,
                           bool is_shared, replication::LocalStore* store);

// Into the words of the schema.
void FillEngineStats(const engine::Stats& stats, admin::EngineStats* out);

}  // namespace kvfs::ops
