// ClusterNode: one whole node of a cluster in this process: engine, replication, and the
// requests of peers and clients. It is a home of the partitions that the layouts in force give it.
// Composed from an Env, a directory and a message bus; the composition root owns it. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kvcore/antientropy/anti_entropy.h"
#include "kvcore/antientropy/service.h"
#include "kvcore/client/ring_placement.h"
#include "kvcore/engine/db.h"
#include "kvcore/env/env.h"
#include "kvcore/env/task_set.h"
#include "kvcore/node/bus_fork.h"
#include "kvcore/node/engine_local_store.h"
#include "kvcore/node/eraser.h"
#include "kvcore/node/gossip.h"
#include "kvcore/node/identity.h"
#include "kvcore/node/layout_keeper.h"
#include "kvcore/node/mover.h"
#include "kvcore/node/request_meters.h"
#include "kvcore/node/rpc.h"
#include "kvcore/node/watch_service.h"
#include "kvcore/replication/branches.h"
#include "kvcore/replication/chunk_hints.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/chunk_repair.h"
#include "kvcore/replication/coordinator.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/number_source.h"
#include "kvcore/replication/rebuilder.h"
#include "kvcore/replication/replicated_primary.h"
#include "kvcore/replication/service.h"
#include "kvcore/replication/storage_service.h"
#include "kvcore/ring/ring_view.h"

namespace kvfs::node {

struct ClusterNodeOptions {
  engine::Options engine;
  Bytes cluster_id;  // 16 bytes
  env::NodeId self = 0;
  uint32_t partition_bits = 8;
  replication::HomeOptions home;
  replication::PusherOptions pusher;
  WatchOptions watch;
  replication::ReachOptions majority;  // when the node goes on without one
  replication::ChunkHomeOptions chunks;
  replication::BranchesOptions branches;  // self and partition_bits are set here
  // The layouts it starts with, unless the store knows newer ones.
  std::shared_ptr<const ring::RingView> layouts;
  // They were told by a node of the cluster; else they follow from what this one was given.
  bool layouts_are_told = false;
  ring::LayoutAgreement::Options agreement;
  // Told when other layouts are in force; must not wait. May be empty.
  std::function<void(const ring::LayoutStage&)> on_layout{};
  MoverOptions mover;    // self and partition_bits are the node's
  EraserOptions eraser;  // the same
  // Who is there; without an AddressBook the node takes no part in finding that out, and everybody
  // is taken for alive.
  GossipOptions gossip;
  AddressBook* addresses = nullptr;              // outlives the node
  antientropy::AntiEntropyOptions anti_entropy;  // self and partition_bits are the node's
  // How often partitions that lie idle are made durable (Home::Tidy).
  int64_t tidy_micros = 60'000'000;
};

class ClusterNode {
 public:
  // Makes the store if the directory holds none. Errors as of Db::Open; kInvalidArgument: it is
  // that of another cluster or node. `env.bus` is not used yet.
  static Task<Result<std::unique_ptr<ClusterNode>>> Open(ClusterNodeOptions options, env::Env env,
                                                         std::string directory);
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  // What kvfs-admin asks of the node; before Start.
  using AdminHandler = std::function<Task<Bytes>(Bytes request)>;
  void SetAdmin(AdminHandler admin) { admin_ = std::move(admin); }
  // Takes requests from now on. Once; not after Close has begun.
  Task<Status> Start(env::MessageBus* bus);
  // Whether this node was told of the same members as those that answer within `micros`.
  // kInvalidArgument, saying what differs, if at least as many were told otherwise as were told the
  // same, this one included: so a stray node does not stop those that are right. Likewise if the
  // store is new and the members that the node was given are those of former times.
  Task<Status> CompareLayouts(int64_t micros);
  // Takes no more requests and ends what runs; then makes everything durable.
  Task<Status> Close();
  // The part of it that a dead process needs: what still runs comes to its end.
  Task<void> Stop();

  const Identity& identity() const { return identity_; }
  const env::Env& env() const { return env_; }
  const client::RingPlacement* placement() const { return &*placement_; }
  // Everything it keeps counts: nothing is suspect. Once it is started.
  bool IsSound() const { return rebuilder_->IsDone(); }
  // Once it is started.
  replication::Peers* peers() { return rpc_.get(); }
  replication::Home* home() { return home_.get(); }
  antientropy::MerkleStore* store() { return &store_; }
  engine::Db* db() { return db_.get(); }
  // For those who tell how the node is; once it is started.
  replication::ChunkHome* chunks() { return chunks_.get(); }
  const replication::ReplicatedPrimary* primary() const { return primary_.get(); }
  const antientropy::AntiEntropy* anti_entropy() const { return anti_entropy_.get(); }
  const RequestMeters& requests() const { return requests_; }
  env::NodeId self() const { return options_.self; }
  // The layouts in force.
  std::shared_ptr<const ring::RingView> layouts() const { return placement_->view(); }
  // Has a layout decided, as LayoutKeeper::Propose. Once it is started.
  Task<Status> ProposeLayout(std::shared_ptr<const ring::Layout> next) {
    return keeper_->Propose(std::move(next));
  }
  // How far this node is with the present change of the layout.
  replication::pb::TransfersReply Transfers() const;
  // What this node believes of the others; null without gossip. Once it is started.
  std::shared_ptr<const membership::View> view() const {
    return gossip_ == nullptr ? nullptr : gossip_->view();
  }

 private:
  ClusterNode(ClusterNodeOptions options, std::unique_ptr<engine::Db> db, env::Env env);
  Task<Status> Identify(const std::string& directory);
  // Says of a new store that it may be that of a node that has lost its own.
  Status MarkAsNew();
  void StartAntiEntropy();
  void StartLayouts();
  bool IsAlive(env::NodeId node) const;
  Task<void> Tidy();
  Task<void> CloseGossip();
  Bytes Members() const;
  Task<Result<Bytes>> AskForMembers(env::NodeId node, int64_t micros);
  Task<Result<Bytes>> Administer(Bytes request);
  Task<Result<Bytes>> Serve(env::NodeId from, replication::Method method, Bytes body);
  Task<Result<Bytes>> CarryOut(env::NodeId from, replication::Method method, Bytes body);

  const ClusterNodeOptions options_;
  env::Env env_;
  AdminHandler admin_;
  RequestMeters requests_;
  std::unique_ptr<engine::Db> db_;
  EngineLocalStore engine_store_;
  antientropy::MerkleStore store_;
  Identity identity_;
  versioning::HybridClock hybrid_clock_;
  std::optional<KeptLayouts> kept_;                 // when it was opened
  std::optional<client::RingPlacement> placement_;  // of these and what came after
  bool is_new_ = false;                             // the store
  std::unique_ptr<replication::NumberSource> dots_;
  std::unique_ptr<replication::NumberSource> lives_;
  std::unique_ptr<BusFork> bus_;  // from here on: once it is started
  std::unique_ptr<Gossip> gossip_;
  std::unique_ptr<Rpc> rpc_;
  std::unique_ptr<LayoutKeeper> keeper_;
  std::unique_ptr<WatchService> watch_;
  std::unique_ptr<replication::MajorityWatch> majority_;  // over rpc_: who calls peers calls this
  std::unique_ptr<replication::Home> home_;
  std::unique_ptr<replication::ReplicatedPrimary> primary_;
  std::unique_ptr<replication::Branches> branches_;
  std::unique_ptr<replication::Rebuilder> rebuilder_;
  std::unique_ptr<replication::ChunkHome> chunks_;
  std::unique_ptr<replication::ChunkHints> chunk_hints_;
  std::unique_ptr<replication::Service> service_;
  std::unique_ptr<replication::StorageService> storage_;
  std::unique_ptr<replication::ChunkRepair> chunk_repair_;
  std::unique_ptr<replication::Coordinator> coordinator_;
  antientropy::Service sums_;
  std::unique_ptr<antientropy::AntiEntropy> anti_entropy_;
  std::unique_ptr<Mover> mover_;
  std::unique_ptr<Eraser> eraser_;
  std::atomic<bool> stopping_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::node
