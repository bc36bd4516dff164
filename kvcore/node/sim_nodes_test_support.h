// SimNodes: whole ClusterNodes on simulated machines, and one machine more for a ClusterClient.
// Nodes may be killed and started again on what their disks hold. Single-threaded; what happens
// is told by the seed.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kvcore/client/cluster_client.h"
#include "kvcore/client/layout_follower.h"
#include "kvcore/client/layout_placement.h"
#include "kvcore/client/ring_placement.h"
#include "kvcore/env/sim/sim_world.h"
#include "kvcore/env/task_set.h"
#include "kvcore/node/cluster_node.h"

namespace kvfs::node::test {

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "simulated nodes: %s\n", result.status().ToString().c_str());
    std::abort();
  }
  return std::move(*result);
}

// A transaction that puts one item.
inline client::Txn Put(Bytes pk, Bytes ck, Bytes value) {
  client::Txn txn;
  txn.pk = std::move(pk);
  txn.writes.push_back({client::Write::Kind::kPut, std::move(ck), std::move(value)});
  return txn;
}

// Node N is at "nN:1".
class SimAddressBook final : public AddressBook {
 public:
  explicit SimAddressBook(env::MessageBus* bus) : bus_(bus) {}
  static std::string AddressOf(env::NodeId node) { return "n" + std::to_string(node) + ":1"; }

  void SetPeer(env::NodeId, const std::string&) override {}
  Status SendTo(const std::string& address, env::Message message) override {
    message.to = std::stoull(address.substr(1));
    return bus_->Send(std::move(message));
  }

 private:
  env::MessageBus* const bus_;
};

class SimNodes {
 public:
  static constexpr uint32_t kPartitionBits = 3;

  // `gossip`: the nodes find out who is there. Of the nodes the first `members` keep everything,
  // the others have joined; 0: all keep.
  explicit SimNodes(uint64_t seed, size_t nodes = 3, bool shuffle = true, bool gossip = false,
                    size_t members = 0)
      : world_({.seed = seed, .machines = static_cast<int>(nodes) + 2, .shuffle = shuffle}),
        boots_(&world_.scheduler()),
        nodes_(nodes),
        lives_(nodes),
        disks_(nodes),
        gossip_(gossip),
        addresses_(&world_.bus()),
        placement_(Must(
            client::LayoutPlacement::Of(Ids(members == 0 ? nodes : members), 3, kPartitionBits))) {
    for (size_t node = 0; node < nodes; ++node) {
      Start(node);
    }
    // What a new cluster says is that it is empty, once all have said so.
    world_.scheduler().RunUntil([this] { return AllUp() && AllSound(); });
    for (size_t machine = 0; machine < 2; ++machine) {
      rpcs_.push_back(std::make_unique<Rpc>(client_env(machine), nodes + 1 + machine, 1));
      Rpc* const rpc = rpcs_.back().get();
      in_force_.push_back(std::make_unique<client::RingPlacement>(FirstLayouts()));
      client::LayoutFollower::Parts parts;
      parts.placement = in_force_.back().get();
      parts.peers = rpc;
      parts.scheduler = client_env(machine).scheduler;
      parts.changed = [rpc](const ring::LayoutStage& stage) { rpc->SetLayout(stage); };
      followers_.push_back(std::make_unique<client::LayoutFollower>(std::move(parts)));
      client::LayoutFollower* const follower = followers_.back().get();
      rpc->OnNewerLayout([follower](env::NodeId from) { follower->Seen(from); });
      const Rpc::Handler refuse = [](env::NodeId, Rpc::Method, Bytes) -> Task<Result<Bytes>> {
        co_return Status::InvalidArgument("a client serves nobody");
      };
      rpcs_.back()->Start(refuse, [this](env::NodeId from, Rpc::Method method, const Bytes& body) {
        if (method == Rpc::Method::kChanged && client_ != nullptr) {
          client_->TakeNotice(from, body);
          for (const auto& other : others_) {
            other->TakeNotice(from, body);
          }
        }
      });
      rpcs_.back()->SetLayout(FirstLayouts().stage());
    }
    client_ = NewClient();
  }
  ~SimNodes() {
    for (size_t node = 0; node < nodes_.size(); ++node) {
      Kill(node);
    }
    others_.push_back(std::move(client_));
    Task<void> booted = boots_.Drain();
    world_.Run(std::move(booted));
    for (const auto& rpc : rpcs_) {
      world_.Run(rpc->Close());
    }
    for (const auto& follower : followers_) {
      world_.Run(follower->Close());
    }
    for (const auto& client : others_) {
      world_.Run(client->Close());
    }
    world_.scheduler().RunUntil([this] {
      Bury();
      return dead_.empty();
    });
  }

  env::sim::SimWorld& world() { return world_; }
  client::ClusterClient* client() { return client_.get(); }
  // Another one on the same machine, as of another mount, or on the second of the two.
  client::ClusterClient* AnotherClient(size_t machine = 0) {
    return AnotherClient(machine, ClientOptions());
  }
  client::ClusterClient* AnotherClient(size_t machine, client::ClusterClientOptions options) {
    others_.push_back(NewClient(machine, options));
    return others_.back().get();
  }
  static client::ClusterClientOptions ClientOptions(bool available = true) {
    client::ClusterClientOptions options;
    options.available = available;
    options.partition_bits = kPartitionBits;
    options.inode_block = 8;
    return options;
  }
  env::NodeId ClientId(size_t machine) const { return nodes_.size() + 1 + machine; }
  const replication::Placement& placement() const { return placement_; }
  size_t nodes() const { return nodes_.size(); }
  ClusterNode* node(size_t number) { return nodes_[number].get(); }
  bool AllUp() const {
    return std::all_of(nodes_.begin(), nodes_.end(),
                       [](const auto& node) { return node != nullptr; });
  }

  bool AllSound() const {
    return std::all_of(nodes_.begin(), nodes_.end(),
                       [](const auto& node) { return node->IsSound(); });
  }

  template <typename T>
  T Run(Task<T> task) {
    return world_.Run(std::move(task));
  }

  void Kill(size_t node) {
    world_.machine(node).Kill(world_.random(), env::sim::CrashMode::kProcessDeath);
    Killed(node);
  }
  // The node's machine was killed: what ran on it goes to its end by itself.
  void Killed(size_t number) {
    ++lives_[number];
    if (nodes_[number] != nullptr) {
      ClusterNode* const node = nodes_[number].get();
      dead_.push_back({std::move(nodes_[number]), node->Stop()});
    }
  }
  // What the node kept is gone; it starts the next time with nothing.
  void LoseDisk(size_t number) { ++disks_[number]; }
  // Up some tasks later.
  void Start(size_t number) { boots_.Start(Boot(number)); }
  // Destroys dead nodes in which nothing runs any more. Not from within a task.
  void Bury() {
    std::erase_if(dead_, [](Dead& dead) {
      if (!dead.stopped.has_value() || dead.stopped->IsDone()) {
        dead.node.reset();
        return true;
      }
      return false;
    });
  }

 private:
  struct Dead {
    Dead(std::unique_ptr<ClusterNode> its_node, std::optional<Task<void>> its_stopping)
        : node(std::move(its_node)), stopped(std::move(its_stopping)) {}
    Dead(Dead&&) = default;
    Dead& operator=(Dead&& other) noexcept {
      node = std::move(other.node);
      stopped.reset();
      if (other.stopped.has_value()) {
        stopped.emplace(std::move(*other.stopped));
      }
      return *this;
    }
    std::unique_ptr<ClusterNode> node;
    std::optional<Task<void>> stopped;
  };

  static std::vector<env::NodeId> Ids(size_t nodes) {
    std::vector<env::NodeId> ids;
    for (size_t node = 0; node < nodes; ++node) {
      ids.push_back(node + 1);
    }
    return ids;
  }
  ring::RingView FirstLayouts() const {
    return ring::RingView(std::make_shared<const ring::Layout>(placement_.layout()));
  }
  env::Env client_env(size_t machine) { return world_.machine(nodes_.size() + machine).env(); }

  std::unique_ptr<client::ClusterClient> NewClient(
      size_t machine = 0, const client::ClusterClientOptions& options = ClientOptions()) {
    client::ClusterClient::Parts parts;
    client::RingPlacement* const in_force = in_force_[machine].get();
    parts.placement = in_force;
    parts.peers = rpcs_[machine].get();
    parts.nodes = [in_force] { return in_force->view()->Keepers(); };
    parts.clock = client_env(machine).clock;
    parts.scheduler = client_env(machine).scheduler;
    parts.random = client_env(machine).random;
    return Must(world_.Run(client::ClusterClient::Open(options, Bytes(16, 'c'), parts)));
  }

  Task<void> Boot(size_t number) {
    const int life = lives_[number];
    const env::Env env = world_.machine(number).env();
    ClusterNodeOptions options;
    options.engine.memtable_bytes = 64u << 10;
    options.engine.block_cache_bytes = 256u << 10;
    options.engine.table_bytes = 32u << 10;
    options.engine.reserve_bytes = 0;
    options.cluster_id = Bytes(16, 'c');
    options.self = number + 1;
    options.partition_bits = kPartitionBits;
    options.home.page_bytes = 2000;
    options.home.boot_id = "boot";
    options.pusher.tail = 4;
    options.layouts = std::make_shared<const ring::RingView>(FirstLayouts());
    options.layouts_are_told = !placement_.layout().FindMember(options.self);
    if (gossip_) {
      options.addresses = &addresses_;
      for (const env::NodeId other : Ids(nodes_.size())) {
        membership::Peer peer{.node = other,
                              .incarnation = 1,
                              .address = SimAddressBook::AddressOf(other),
                              .datacentre = "",
                              .zone = ""};
        if (other == options.self) {
          options.gossip.self = peer;
        }
        options.gossip.known.push_back(std::move(peer));
      }
    }
    const std::string directory = "/disk" + std::to_string(disks_[number]);
    auto node = co_await ClusterNode::Open(options, env, directory);
    if (node.ok() && lives_[number] == life) {
      const Status started = co_await (*node)->Start(env.bus);
      if (started.ok() && lives_[number] == life) {
        nodes_[number] = std::move(*node);
        co_return;
      }
    }
    if (node.ok()) {  // it died while it started
      ClusterNode* const dead = node->get();
      dead_.push_back({std::move(*node), dead->Stop()});
    }
  }

  env::sim::SimWorld world_;
  env::TaskSet boots_;
  std::vector<std::unique_ptr<ClusterNode>> nodes_;  // null: dead, or not yet up
  std::vector<int> lives_;                           // of the machines
  std::vector<int> disks_;                           // of the machines, so far
  std::vector<Dead> dead_;
  const bool gossip_;
  SimAddressBook addresses_;
  const client::LayoutPlacement placement_;  // the first
  std::vector<std::unique_ptr<Rpc>> rpcs_;   // of the two machines of clients, and so the next two
  std::vector<std::unique_ptr<client::RingPlacement>> in_force_;
  std::vector<std::unique_ptr<client::LayoutFollower>> followers_;
  std::unique_ptr<client::ClusterClient> client_;
  std::vector<std::unique_ptr<client::ClusterClient>> others_;
};

}  // namespace kvfs::node::test
