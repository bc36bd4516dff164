#include "tools/mount/cluster_store.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <optional>
#include <utility>

#include "kvcore/client/cluster_client.h"
#include "kvcore/client/layout_follower.h"
#include "kvcore/client/ring_placement.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "tools/cluster/told.h"

namespace kvfs::tools {
namespace {

using env::posix::BlockingWait;
using replication::Method;

class ClusterStoreImpl final : public ClusterStore {
 public:
  explicit ClusterStoreImpl(env::Env env) : env_(env) {}
  ~ClusterStoreImpl() override { Close(); }

  Status Connect(ConnectionOptions options) {
    options.notices = [this](env::NodeId from, Method method, const Bytes& body) {
      client::ClusterClient* const told = told_;
      if (method == Method::kChanged && told != nullptr) {
        told->TakeNotice(from, body);
      }
    };
    options.newer = [this](env::NodeId from) {
      client::LayoutFollower* const follower = following_;
      if (follower != nullptr) {
        follower->Seen(from);
      }
    };
    KVFS_ASSIGN_OR_RETURN(connection_, ClusterConnection::Connect(std::move(options), env_));
    KVFS_ASSIGN_OR_RETURN(ToldCluster told, AskForCluster(connection_.get()));
    return Open(std::move(told));
  }

  client::Client* client() override { return client_.get(); }

  void Close() override {
    // What still waits for an answer is ended first.
    if (connection_ != nullptr) {
      connection_->Close();
    }
    if (client_ != nullptr) {
      BlockingWait(client_->Close());
    }
    if (follower_.has_value()) {
      BlockingWait(follower_->Close());
    }
    client_.reset();
    connection_.reset();
  }

 private:
  Status Open(ToldCluster told) {
    for (const NodeAddress& node : told.nodes) {
      connection_->SetPeer(node.node, node.address);
    }
    const std::shared_ptr<const ring::Layout> newest = told.layouts.shared_newest();
    connection_->SetLayout(told.layouts.stage());
    placement_.emplace(std::move(told.layouts));
    FollowLayouts();
    const ring::Layout& layout = *newest;
    client::ClusterClientOptions options;
    options.partition_bits = layout.spec().partition_bits;
    options.replicas = static_cast<uint32_t>(layout.replica_count());
    client::ClusterClient::Parts parts;
    parts.placement = &*placement_;
    parts.peers = connection_->peers();
    parts.nodes = [this] { return placement_->view()->Keepers(); };
    parts.clock = env_.clock;
    parts.scheduler = env_.scheduler;
    parts.random = env_.random;
    const size_t nodes = placement_->view()->Keepers().size();
    KVFS_ASSIGN_OR_RETURN(client_, BlockingWait(client::ClusterClient::Open(
                                       options, connection_->cluster_id(), std::move(parts))));
    told_ = client_.get();
    spdlog::info("connected to a cluster of {} nodes", nodes);
    return Status::Ok();
  }

  void FollowLayouts() {
    client::LayoutFollower::Parts parts;
    parts.placement = &*placement_;
    parts.peers = connection_->peers();
    parts.scheduler = env_.scheduler;
    parts.reach = [this](const client::ToldLayouts& told) {
      for (const auto& [node, address] : told.addresses) {
        connection_->SetPeer(node, address);
      }
    };
    parts.changed = [this](const ring::LayoutStage& stage) {
      connection_->SetLayout(stage);
      spdlog::info("layout {} of the cluster is in force{}", stage.id.number,
                   stage.in_transition ? ", with the one before it" : "");
    };
    following_ = &follower_.emplace(std::move(parts));
  }

  env::Env env_;
  std::unique_ptr<ClusterConnection> connection_;
  std::optional<client::RingPlacement> placement_;
  std::optional<client::LayoutFollower> follower_;
  std::atomic<client::LayoutFollower*> following_{nullptr};  // of newer layouts
  std::unique_ptr<client::ClusterClient> client_;
  std::atomic<client::ClusterClient*> told_{nullptr};  // of changes
};

}  // namespace

Result<std::unique_ptr<ClusterStore>> ClusterStore::Connect(ConnectionOptions options,
                                                            env::Env env) {
  auto store = std::make_unique<ClusterStoreImpl>(env);
  KVFS_RETURN_IF_ERROR(store->Connect(std::move(options)));
  return std::unique_ptr<ClusterStore>(std::move(store));
}

}  // namespace kvfs::tools
