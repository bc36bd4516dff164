// ClusterNode: one whole node of a cluster in this process: engine, replication, and the
// requests of peers and clients. It is a home of the partitions that the placement gives it.
// Composed from an Env, a directory and a message bus; the composition root owns it. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kvcore/antientropy/anti_entropy.h"
#include "kvcore/antientropy/service.h"
#include "kvcore/engine/db.h"
#include "kvcore/env/env.h"
#include "kvcore/env/task_set.h"
#include "kvcore/node/bus_fork.h"
#include "kvcore/node/engine_local_store.h"
#include "kvcore/node/gossip.h"
#include "kvcore/node/identity.h"
#include "kvcore/node/rpc.h"
#include "kvcore/node/watch_service.h"
#include "kvcore/replication/branches.h"
#include "kvcore/replication/chunk_hints.h"
#include "kvcore/replication/chunk_home.h"
#include "kvcore/replication/chunk_repair.h"
#include "kvcore/replication/coordinator.h"
#include "kvcore/replication/home.h"
#include "kvcore/replication/number_source.h"
#include "kvcore/replication/placement.h"
#include "kvcore/replication/rebuilder.h"
#include "kvcore/replication/replicated_primary.h"
#include "kvcore/replication/service.h"
#include "kvcore/replication/storage_service.h"
#include "kvcore/ring/layout.h"

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
  // By which the placement was made. Null: whoever asks is told of no members, and nobody's layout
  // is compared with this one's.
  std::shared_ptr<const ring::Layout> layout;
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
  // that of another cluster or node. `env.bus` is not used yet. The placement is borrowed.
  static Task<Result<std::unique_ptr<ClusterNode>>> Open(ClusterNodeOptions options, env::Env env,
                                                         std::string directory,
                                                         const replication::Placement* placement);
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  // What kvfs-admin asks of the node; before Start.
  using AdminHandler = std::function<Task<Bytes>(Bytes request)>;
  void SetAdmin(AdminHandler admin) { admin_ = std::move(admin); }
  // Takes requests from now on. Once; not after Close has begun.
  Task<Status> Start(env::MessageBus* bus);
  // Whether this node was told of the same members as those that answer within `micros`.
  // kInvalidArgument, saying what differs, if at least as many were told otherwise as were told the
  // same, this one included: so a stray node does not stop those that are right.
  Task<Status> CompareLayouts(int64_t micros);
  // Takes no more requests and ends what runs; then makes everything durable.
  Task<Status> Close();
  // The part of it that a dead process needs: what still runs comes to its end.
  Task<void> Stop();

  const Identity& identity() const { return identity_; }
  const env::Env& env() const { return env_; }
  const replication::Placement* placement() const { return placement_; }
  // Once it is started.
  replication::Peers* peers() { return rpc_.get(); }
  replication::Home* home() { return home_.get(); }
  antientropy::MerkleStore* store() { return &store_; }
  engine::Db* db() { return db_.get(); }
  env::NodeId self() const { return options_.self; }
  const ring::Layout* layout() const { return options_.layout.get(); }
  // What this node believes of the others; null without gossip. Once it is started.
  std::shared_ptr<const membership::View> view() const {
    return gossip_ == nullptr ? nullptr : gossip_->view();
  }

 private:
  ClusterNode(ClusterNodeOptions options, std::unique_ptr<engine::Db> db, env::Env env,
              const replication::Placement* placement);
  Task<Status> Identify(const std::string& directory);
  // Says of a new store that it may be that of a node that has lost its own.
  Status MarkAsNew();
  void StartAntiEntropy();
  Task<void> Tidy();
  Task<void> CloseGossip();
  Bytes Members() const;
  Task<Result<Bytes>> AskForMembers(env::NodeId node, int64_t micros);
  Task<Result<Bytes>> Administer(Bytes request);
  Task<Result<Bytes>> Serve(env::NodeId from, replication::Method method, Bytes body);

  const ClusterNodeOptions options_;
  env::Env env_;
  const replication::Placement* const placement_;
  AdminHandler admin_;
  std::unique_ptr<engine::Db> db_;
  EngineLocalStore engine_store_;
  antientropy::MerkleStore store_;
  Identity identity_;
  versioning::HybridClock hybrid_clock_;
  std::unique_ptr<replication::NumberSource> dots_;
  std::unique_ptr<replication::NumberSource> lives_;
  std::unique_ptr<BusFork> bus_;  // from here on: once it is started
  std::unique_ptr<Gossip> gossip_;
  std::unique_ptr<Rpc> rpc_;
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
  std::atomic<bool> stopping_{false};
  env::TaskSet tasks_;
};

}  // namespace kvfs::node
