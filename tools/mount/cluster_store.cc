#include "tools/mount/cluster_store.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <optional>
#include <utility>

#include "kvcore/client/cluster_client.h"
#include "kvcore/client/layout_placement.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/proto/storage.pb.h"
#include "tools/common/members.h"

namespace kvfs::tools {
namespace {

using env::posix::BlockingWait;
using replication::Method;

constexpr int64_t kMembersMicros = 2'000'000;
constexpr int kMembersAttempts = 5;

// What a node says of the cluster.
struct Told {
  ring::Layout layout;
  std::vector<NodeAddress> nodes;
};

Result<Told> ParseTold(const Bytes& answer) {
  replication::pb::MembersReply members;
  if (!members.ParseFromString(answer) || members.members().empty() ||
      static_cast<size_t>(members.members_size()) > kMaxNodes) {
    return Status::InvalidArgument("it answers what this kvfs does not understand");
  }
  KVFS_ASSIGN_OR_RETURN(ring::Layout layout, ring::DecodeLayout(members.layout()));
  Told told{std::move(layout), {}};
  for (const auto& member : members.members()) {
    KVFS_RETURN_IF_ERROR(CheckAddress(member.address()));
    NodeAddress node;
    node.node = member.node();
    node.address = member.address();
    told.nodes.push_back(std::move(node));
  }
  return told;
}

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
    KVFS_ASSIGN_OR_RETURN(connection_, ClusterConnection::Connect(std::move(options), env_));
    KVFS_ASSIGN_OR_RETURN(Told told, AskForMembers());
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
    client_.reset();
    connection_.reset();
  }

 private:
  Result<Told> AskForMembers() {
    Status last;
    for (const auto& [node, address] : connection_->found()) {
      for (int attempt = 0; attempt < kMembersAttempts; ++attempt) {
        const auto answer =
            BlockingWait(connection_->peers()->Call(node, Method::kMembers, {}, kMembersMicros));
        Result<Told> told = answer.ok() ? ParseTold(*answer) : Result<Told>(answer.status());
        if (told.ok()) {
          return told;
        }
        last = told.status().Annotate("node " + std::to_string(node));
      }
    }
    return Status::Unavailable("who the nodes are cannot be learnt: " + last.message());
  }

  Status Open(Told told) {
    for (const NodeAddress& node : told.nodes) {
      connection_->SetPeer(node.node, node.address);
    }
    connection_->SetLayout(told.layout.id());
    placement_.emplace(std::move(told.layout));
    const ring::Layout& layout = placement_->layout();
    client::ClusterClientOptions options;
    options.partition_bits = layout.spec().partition_bits;
    options.replicas = static_cast<uint32_t>(layout.replica_count());
    client::ClusterClient::Parts parts;
    parts.placement = &*placement_;
    parts.peers = connection_->peers();
    for (const ring::Member& member : layout.members()) {
      if (member.weight > 0) {
        parts.nodes.push_back(member.node);
      }
    }
    parts.clock = env_.clock;
    parts.scheduler = env_.scheduler;
    parts.random = env_.random;
    const size_t nodes = parts.nodes.size();
    KVFS_ASSIGN_OR_RETURN(client_, BlockingWait(client::ClusterClient::Open(
                                       options, connection_->cluster_id(), std::move(parts))));
    told_ = client_.get();
    spdlog::info("connected to a cluster of {} nodes", nodes);
    return Status::Ok();
  }

  env::Env env_;
  std::unique_ptr<ClusterConnection> connection_;
  std::optional<client::LayoutPlacement> placement_;
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
