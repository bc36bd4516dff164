#include "tools/cluster/connection.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/proto/rpc.pb.h"
#include "tools/common/members.h"
#include "transport/zmq_message_bus.h"

namespace kvfs::tools {
namespace {

using env::posix::BlockingWait;
using replication::Method;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kAskAgainMillis{200};

std::string Addresses(const std::vector<NodeAddress>& peers) {
  std::string text;
  for (const NodeAddress& peer : peers) {
    text += (text.empty() ? "" : ", ") + peer.address;
  }
  return text;
}

class ClusterConnectionImpl final : public ClusterConnection {
 public:
  ClusterConnectionImpl(ConnectionOptions options, env::Env env)
      : options_(std::move(options)), env_(env) {}
  ~ClusterConnectionImpl() override { Close(); }

  Status Connect() {
    KVFS_ASSIGN_OR_RETURN(cluster_id_, ClusterIdOf(options_.cluster));
    transport::BusOptions bus;
    const Security& security = options_.security;
    bus.keys = security.keys;
    bus.self = security.keys == nullptr
                   ? transport::ClientNumber(env_.random->Next())
                   : transport::ClientNumber(security.keys->public_key, env_.random->Next());
    KVFS_RETURN_IF_ERROR(CheckPeers());
    std::memcpy(bus.cluster.data(), cluster_id_.data(), bus.cluster.size());
    const env::NodeId self = bus.self;
    KVFS_ASSIGN_OR_RETURN(bus_, transport::ZmqMessageBus::Open(std::move(bus), env_));
    env_.bus = bus_.get();
    KVFS_RETURN_IF_ERROR(Find(self));
    for (const auto& [node, address] : found_) {
      SetPeer(node, address);
    }
    rpc_ = std::make_unique<node::Rpc>(env_, self, 1);
    rpc_->OnNewerLayout(options_.newer);
    rpc_->Start(
        [](env::NodeId, Method, Bytes) -> Task<Result<Bytes>> {
          co_return Status::InvalidArgument("a client serves nobody");
        },
        options_.notices);
    return Status::Ok();
  }

  const std::map<env::NodeId, std::string>& found() const override { return found_; }
  const Bytes& cluster_id() const override { return cluster_id_; }
  replication::Peers* peers() override { return rpc_.get(); }
  void SetPeer(env::NodeId node, const std::string& address) override {
    bus_->SetPeer(node, {.address = address, .public_key = KeyOf(node)});
  }
  void SetLayout(const ring::LayoutStage& layout) override { rpc_->SetLayout(layout); }
  void Close() override {
    if (rpc_ != nullptr && !std::exchange(closed_, true)) {
      BlockingWait(rpc_->Close());
    }
  }

 private:
  Status CheckPeers() const {
    for (const NodeAddress& peer : options_.peers) {
      if (options_.security.keys != nullptr && options_.security.nodes.count(peer.node) == 0) {
        return Status::InvalidArgument(
            "with keys a peer is named NODE=HOST:PORT, and its key is in the list: " +
            (peer.node == 0 ? "" : std::to_string(peer.node) + "=") + peer.address);
      }
    }
    return Status::Ok();
  }

  // Nobody has the key of all zeros.
  transport::PublicKey KeyOf(env::NodeId node) const {
    const auto found = options_.security.nodes.find(node);
    return found == options_.security.nodes.end() ? transport::PublicKey{} : found->second;
  }

  // A request for no life is carried out by nobody, and answered with who it came to.
  Status Find(env::NodeId self) {
    std::mutex mutex;
    std::condition_variable some;
    const std::vector<NodeAddress>& peers = options_.peers;
    bus_->SetHandler(self, [&](const env::Message& message) {
      node::pb::RpcHeader header;
      if (header.ParseFromString(message.header) && header.is_reply() && header.number() >= 1 &&
          header.number() <= peers.size()) {
        std::lock_guard lock(mutex);
        found_[message.from] = peers[header.number() - 1].address;
        some.notify_all();
      }
    });
    const auto deadline = steady_clock::now() + milliseconds(options_.find_millis);
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
        (void)bus_
            ->SendTo({.address = peers[i].address, .public_key = KeyOf(peers[i].node)},
                     std::move(message))
            .ok();
      }
      std::unique_lock lock(mutex);
      any = some.wait_for(lock, kAskAgainMillis, [&] { return !found_.empty(); });
    }
    bus_->SetHandler(self, {});
    if (found_.empty()) {
      return Status::Unavailable(
          "no node of the cluster " + options_.cluster + " answers at " + Addresses(peers) +
          "; is kvfsd running there, and is that the cluster's name?" +
          std::string(options_.security.keys == nullptr ? "" : " Does it let this key in?"));
    }
    return Status::Ok();
  }

  const ConnectionOptions options_;
  env::Env env_;
  Bytes cluster_id_;
  std::map<env::NodeId, std::string> found_;
  std::unique_ptr<transport::ZmqMessageBus> bus_;
  std::unique_ptr<node::Rpc> rpc_;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<ClusterConnection>> ClusterConnection::Connect(ConnectionOptions options,
                                                                      env::Env env) {
  auto connection = std::make_unique<ClusterConnectionImpl>(std::move(options), env);
  KVFS_RETURN_IF_ERROR(connection->Connect());
  return std::unique_ptr<ClusterConnection>(std::move(connection));
}

}  // namespace kvfs::tools
