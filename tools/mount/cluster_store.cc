#include "tools/mount/cluster_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "kvcore/client/cluster_client.h"
#include "kvcore/client/layout_placement.h"
#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/node/rpc.h"
#include "kvcore/proto/rpc.pb.h"
#include "kvcore/proto/storage.pb.h"
#include "kvcore/replication/peers.h"
#include "tools/common/members.h"
#include "transport/zmq_message_bus.h"

namespace kvfs::tools {
namespace {

using env::posix::BlockingWait;
using replication::Method;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFindMillis{30'000};
constexpr milliseconds kAskAgainMillis{200};
constexpr int64_t kMembersMicros = 2'000'000;
constexpr uint64_t kClientBit = uint64_t{1} << 63;  // numbers of nodes are below

// Nodes by number, with the address they answered at.
using Found = std::map<env::NodeId, std::string>;

class ClusterStoreImpl final : public ClusterStore {
 public:
  explicit ClusterStoreImpl(env::Env env) : env_(env) {}
  ~ClusterStoreImpl() override { Close(); }

  Status Connect(const std::vector<std::string>& peers, const std::string& cluster) {
    KVFS_ASSIGN_OR_RETURN(const Bytes cluster_id, ClusterIdOf(cluster));
    transport::BusOptions options;
    options.self = env_.random->Next() | kClientBit;
    std::memcpy(options.cluster.data(), cluster_id.data(), options.cluster.size());
    const env::NodeId self = options.self;
    KVFS_ASSIGN_OR_RETURN(bus_, transport::ZmqMessageBus::Open(std::move(options), env_));
    env_.bus = bus_.get();
    KVFS_ASSIGN_OR_RETURN(const Found found, Find(peers, cluster, self));
    rpc_ = std::make_unique<node::Rpc>(env_, self, 1);
    rpc_->Start(
        [](env::NodeId, Method, Bytes) -> Task<Result<Bytes>> {
          co_return Status::InvalidArgument("a client serves nobody");
        },
        [this](env::NodeId from, Method method, const Bytes& body) {
          client::ClusterClient* const told = told_;
          if (method == Method::kChanged && told != nullptr) {
            told->TakeNotice(from, body);
          }
        });
    KVFS_ASSIGN_OR_RETURN(const auto members, AskForMembers(found));
    return Open(members, cluster_id);
  }

  client::Client* client() override { return client_.get(); }

  void Close() override {
    // What still waits for an answer is ended first.
    if (rpc_ != nullptr) {
      BlockingWait(rpc_->Close());
    }
    if (client_ != nullptr) {
      BlockingWait(client_->Close());
    }
    client_.reset();
    rpc_.reset();
    bus_.reset();
  }

 private:
  // A request for no life is carried out by nobody, and answered with who it came to.
  Result<Found> Find(const std::vector<std::string>& peers, const std::string& cluster,
                     env::NodeId self) {
    std::mutex mutex;
    std::condition_variable some;
    Found found;
    bus_->SetHandler(self, [&](const env::Message& message) {
      node::pb::RpcHeader header;
      if (header.ParseFromString(message.header) && header.is_reply() && header.number() >= 1 &&
          header.number() <= peers.size()) {
        std::lock_guard lock(mutex);
        found[message.from] = peers[header.number() - 1];
        some.notify_all();
      }
    });
    const auto deadline = steady_clock::now() + kFindMillis;
    bool any = false;
    while (!any && steady_clock::now() < deadline) {
      for (size_t i = 0; i < peers.size(); ++i) {
        node::pb::RpcHeader header;
        header.set_number(i + 1);
        header.set_sender_life(1);
        header.set_method(static_cast<uint32_t>(Method::kMembers));
        env::Message message;
        message.from = self;
        message.header = header.SerializeAsString();
        message.data.emplace_back();
        (void)bus_->SendTo({.address = peers[i], .public_key = {}}, std::move(message)).ok();
      }
      std::unique_lock lock(mutex);
      any = some.wait_for(lock, kAskAgainMillis, [&] { return !found.empty(); });
    }
    bus_->SetHandler(self, {});
    if (found.empty()) {
      return Status::Unavailable("no node of the cluster " + cluster + " answers at " +
                                 Joined(peers) +
                                 "; is kvfsd running there, and is that the cluster's name?");
    }
    return found;
  }

  static std::string Joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
      text += (text.empty() ? "" : ", ") + word;
    }
    return text;
  }

  Result<replication::pb::MembersReply> AskForMembers(const Found& found) {
    Status last;
    for (const auto& [node, address] : found) {
      bus_->SetPeer(node, {.address = address, .public_key = {}});
      for (int attempt = 0; attempt < 5; ++attempt) {
        const auto answer = BlockingWait(rpc_->Call(node, Method::kMembers, {}, kMembersMicros));
        replication::pb::MembersReply members;
        if (!answer.ok()) {
          last = answer.status();
        } else if (!members.ParseFromString(*answer) || members.partition_bits() > 16 ||
                   members.members().empty() ||
                   static_cast<size_t>(members.members_size()) > kMaxNodes) {
          last = Status::InvalidArgument("node " + std::to_string(node) +
                                         " answers what this kvfs does not understand");
        } else {
          return members;
        }
      }
    }
    return Status::Unavailable("who the nodes are cannot be learnt: " + last.message());
  }

  Status Open(const replication::pb::MembersReply& members, const Bytes& cluster_id) {
    std::vector<env::NodeId> nodes;
    for (const auto& member : members.members()) {
      KVFS_RETURN_IF_ERROR(CheckAddress(member.address()));
      nodes.push_back(member.node());
      bus_->SetPeer(member.node(), {.address = member.address(), .public_key = {}});
    }
    KVFS_ASSIGN_OR_RETURN(auto placement, client::LayoutPlacement::Of(nodes, members.replicas(),
                                                                      members.partition_bits()));
    placement_.emplace(std::move(placement));
    client::ClusterClientOptions options;
    options.partition_bits = members.partition_bits();
    options.replicas = members.replicas();
    client::ClusterClient::Parts parts;
    parts.placement = &*placement_;
    parts.peers = rpc_.get();
    parts.nodes = nodes;
    parts.clock = env_.clock;
    parts.scheduler = env_.scheduler;
    parts.random = env_.random;
    KVFS_ASSIGN_OR_RETURN(
        client_, BlockingWait(client::ClusterClient::Open(options, cluster_id, std::move(parts))));
    told_ = client_.get();
    spdlog::info("connected to a cluster of {} nodes", nodes.size());
    return Status::Ok();
  }

  env::Env env_;
  std::unique_ptr<transport::ZmqMessageBus> bus_;
  std::optional<client::LayoutPlacement> placement_;
  std::unique_ptr<node::Rpc> rpc_;
  std::unique_ptr<client::ClusterClient> client_;
  std::atomic<client::ClusterClient*> told_{nullptr};  // of changes
};

}  // namespace

Result<std::unique_ptr<ClusterStore>> ClusterStore::Connect(const std::vector<std::string>& peers,
                                                            const std::string& cluster,
                                                            env::Env env) {
  auto store = std::make_unique<ClusterStoreImpl>(env);
  KVFS_RETURN_IF_ERROR(store->Connect(peers, cluster));
  return std::unique_ptr<ClusterStore>(std::move(store));
}

}  // namespace kvfs::tools
