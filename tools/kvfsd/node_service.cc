#include "tools/kvfsd/node_service.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/env/posix/posix_env.h"
#include "kvcore/node/cluster_node.h"
#include "kvcore/node/node.h"
#include "kvcore/ops/cluster_admin.h"
#include "kvcore/ops/layout_admin.h"
#include "tools/cluster/security.h"
#include "tools/common/admin_server.h"
#include "tools/common/http_server.h"
#include "tools/common/paths.h"
#include "tools/common/service_notifier.h"
#include "tools/common/size.h"
#include "tools/common/version.h"
#include "tools/common/watchdog.h"
#include "tools/kvfsd/bus_address_book.h"
#include "tools/kvfsd/start_plan.h"
#include "tools/observe/pages.h"
#include "tools/observe/process_admin.h"
#include "transport/zmq_message_bus.h"

namespace kvfs::tools {
namespace {

using env::posix::BlockingWait;

constexpr uint64_t kMinMemory = 64u << 20;
constexpr uint64_t kMaxMemory = uint64_t{1} << 40;
constexpr uint64_t kMinCapacity = 256u << 20;
constexpr uint32_t kMaxReplicas = 16;
// Nodes that are there answer as soon as they have found this one again: their bus tries every 2 s.
constexpr int64_t kCompareMicros = 4'000'000;
constexpr timespec kLookAgain{.tv_sec = 0, .tv_nsec = 100'000'000};

int SchedulerThreads() {
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 2u, 8u));
}

const NodeAddress* Find(const NodeServiceOptions& options) {
  for (const NodeAddress& member : options.members) {
    if (member.node == options.node) {
      return &member;
    }
  }
  return nullptr;
}

// What was left unsynced in another boot of this machine may be lost.
Result<Bytes> BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  Bytes id;
  if (!std::getline(file, id) || id.empty()) {
    return Status::IoError("cannot read /proc/sys/kernel/random/boot_id");
  }
  return id;
}

transport::ClusterId ToClusterId(const Bytes& id) {
  transport::ClusterId cluster{};
  std::memcpy(cluster.data(), id.data(), std::min(cluster.size(), id.size()));
  return cluster;
}

// What others become is told in the log.
void LogEvent(const membership::Membership::Event& event) {
  using Kind = membership::Membership::Event::Kind;
  switch (event.kind) {
    case Kind::kJoined:
      spdlog::info("node {} at {} has come", event.node, event.address);
      break;
    case Kind::kAlive:
      spdlog::info("node {} at {} is there again", event.node, event.address);
      break;
    case Kind::kSuspect:
      spdlog::warn("node {} at {} does not answer", event.node, event.address);
      break;
    case Kind::kDead:
      spdlog::warn("node {} at {} is dead: others cannot reach it either", event.node,
                   event.address);
      break;
    case Kind::kLeft:
      spdlog::info("node {} at {} has stopped", event.node, event.address);
      break;
    case Kind::kImpostor:
      spdlog::error("somebody else runs as node {}, at {}: two nodes must not have one number",
                    event.node, event.address);
      break;
  }
}

void LogLayout(const ring::LayoutStage& stage) {
  if (stage.in_transition) {
    spdlog::info("layout {} is decided: partitions move", stage.id.number);
  } else {
    spdlog::info("layout {} is complete", stage.id.number);
  }
}

// As `kvfs-admin config` shows them.
ProcessAdmin::Options ShownOptions(const NodeServiceOptions& options) {
  ProcessAdmin::Options shown{
      {"data", options.data},
      {"node-id", std::to_string(options.node)},
      {"cluster", options.cluster},
      {"replicas", std::to_string(options.replicas)},
      {"listen", options.listen},
      {"zone", options.zone},
      {"datacentre", options.datacentre},
      {"memory", FormatSize(options.memory_bytes)},
      {"capacity", options.capacity_bytes == 0 ? "the disk's" : FormatSize(options.capacity_bytes)},
      {"key", options.key_file},
      {"allow", options.allow_file},
      {"insecure", options.insecure ? "true" : "false"},
      {"http", options.http}};
  for (const auto& [name, nodes] :
       {std::pair{"members", &options.members}, std::pair{"join", &options.join}}) {
    std::string list;
    for (const NodeAddress& node : *nodes) {
      list += (list.empty() ? "" : ",") + std::to_string(node.node) + "=" + node.address;
    }
    shown.emplace_back(name, list);
  }
  return shown;
}

class NodeServiceImpl final : public NodeService {
 public:
  explicit NodeServiceImpl(const NodeServiceOptions& options)
      : options_(options),
        env_(SchedulerThreads()),
        process_admin_("kvfsd", ShownOptions(options)) {}

  ~NodeServiceImpl() override {
    if (node_ != nullptr) {
      (void)TakeDown().ok();
    }
  }

  Status Start() {
    KVFS_ASSIGN_OR_RETURN(const Bytes cluster, ClusterIdOf(options_.cluster));
    KVFS_ASSIGN_OR_RETURN(const Security security, LoadOwnSecurity());
    KVFS_ASSIGN_OR_RETURN(StartPlan plan, PlanStart(options_, security, env_.env()));
    node::ClusterNodeOptions node;
    node.gossip.self = plan.self;
    node.gossip.known = std::move(plan.known);
    for (const auto& [address, seed] : plan.seeds) {
      node.gossip.seeds.push_back(address);
    }
    node.gossip.on_event = LogEvent;
    node.addresses = &addresses_;
    node.on_layout = LogLayout;
    node.layouts_are_told = plan.layouts_are_told;
    node.layouts = std::make_shared<const ring::RingView>(std::move(plan.layouts));
    node::NodeOptions store;
    store.memory_bytes = options_.memory_bytes / 2;  // the rest: messages, tables being built
    store.capacity_bytes = options_.capacity_bytes;
    store.holder = "kvfsd, node " + std::to_string(options_.node);
    node.engine = node::EngineOptions(store);
    node.cluster_id = cluster;
    node.self = options_.node;
    node.partition_bits = node.layouts->newest().spec().partition_bits;
    KVFS_ASSIGN_OR_RETURN(node.home.boot_id, BootId());
    KVFS_RETURN_IF_ERROR(MakeDirectories(options_.data));
    KVFS_ASSIGN_OR_RETURN(
        node_, BlockingWait(node::ClusterNode::Open(std::move(node), env_.env(), options_.data)));
    transport::BusOptions bus;
    bus.self = options_.node;
    bus.cluster = ToClusterId(cluster);
    bus.storage_epoch = node_->identity().storage_epochs.back();
    bus.listen = options_.listen.empty() ? plan.self.address : options_.listen;
    bus.keys = security.keys;
    bus.allowed = security.allowed;
    bus.insecure = options_.insecure;
    KVFS_ASSIGN_OR_RETURN(bus_, transport::ZmqMessageBus::Open(std::move(bus), env_.env()));
    addresses_.Set(bus_.get(), security, plan.seeds);
    cluster_admin_.emplace(node_.get(), kVersion);
    cluster_admin_->RegisterWith(&admin_);
    layout_admin_.emplace(node_.get());
    layout_admin_->RegisterWith(&admin_);
    process_admin_.RegisterWith(&admin_);
    node_->SetAdmin([this](Bytes request) { return admin_.Serve(std::move(request)); });
    KVFS_RETURN_IF_ERROR(BlockingWait(node_->Start(bus_.get())));
    compared_.emplace(node_->CompareLayouts(kCompareMicros));
    KVFS_ASSIGN_OR_RETURN(admin_server_, AdminServer::Start(options_.data, &admin_));
    if (!options_.http.empty()) {
      KVFS_ASSIGN_OR_RETURN(http_, HttpServer::Start(options_.http, options_.insecure,
                                                     ObservationPages(
                                                         &admin_, [this] { return Health(); },
                                                         [this] { return Readiness(); })));
      spdlog::info("metrics and the web page are on http://{}/", http_->address());
    }
    return Status::Ok();
  }

  const std::string& listen_address() const override { return bus_->listen_address(); }

  Status Run() override {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    notifier_.Ready("node " + std::to_string(options_.node) + " of cluster " + options_.cluster +
                    ", on " + listen_address());
    Watchdog watchdog(&notifier_, env_.env().clock, env_.env().scheduler);
    while (true) {
      watchdog.Look();
      if (sigtimedwait(&signals, nullptr, &kLookAgain) > 0) {
        spdlog::info("told to stop");
        return TakeDown();
      }
      if (compared_.has_value() && compared_->IsDone()) {
        const Status compared = compared_->TakeValue();
        compared_.reset();
        if (!compared.ok()) {
          (void)TakeDown().ok();
          return compared;
        }
      }
    }
  }

 private:
  Result<Security> LoadOwnSecurity() const {
    KVFS_ASSIGN_OR_RETURN(Security security, LoadSecurity(options_.key_file, options_.allow_file));
    const auto own = security.nodes.find(options_.node);
    if (security.keys != nullptr &&
        (own == security.nodes.end() || own->second != security.keys->public_key)) {
      return Status::InvalidArgument(options_.allow_file + " does not say that the key in " +
                                     options_.key_file + " is that of node " +
                                     std::to_string(options_.node));
    }
    return security;
  }

  Status Health() { return node_->db()->GetStats().background_error; }

  // Whether it makes sense to send requests here.
  Status Readiness() {
    KVFS_RETURN_IF_ERROR(Health());
    const auto view = node_->view();
    const std::vector<env::NodeId> keepers = node_->layouts()->Keepers();
    size_t alive = 0;
    for (const env::NodeId keeper : keepers) {
      alive += view->IsAlive(keeper) ? 1 : 0;
    }
    const size_t all = keepers.size();
    return alive > all / 2 ? Status::Ok()
                           : Status::Unavailable("only " + std::to_string(alive) + " of " +
                                                 std::to_string(all) + " members are here");
  }

  Status TakeDown() {
    notifier_.Stopping();
    http_.reset();
    admin_server_.reset();
    Status status = BlockingWait(node_->Close());
    if (cluster_admin_.has_value()) {
      BlockingWait(cluster_admin_->Close());
      cluster_admin_.reset();
    }
    if (compared_.has_value()) {  // nothing answers any more
      (void)BlockingWait(std::move(*compared_)).ok();
      compared_.reset();
    }
    bus_.reset();
    node_.reset();
    return status;
  }

  const NodeServiceOptions options_;
  const ServiceNotifier notifier_ = ServiceNotifier::FromEnvironment();
  env::posix::PosixEnv env_;
  BusAddressBook addresses_;
  std::unique_ptr<node::ClusterNode> node_;
  std::unique_ptr<transport::ZmqMessageBus> bus_;
  ops::AdminService admin_;
  std::optional<ops::ClusterAdmin> cluster_admin_;
  std::optional<ops::LayoutAdmin> layout_admin_;
  ProcessAdmin process_admin_;
  std::unique_ptr<AdminServer> admin_server_;
  std::unique_ptr<HttpServer> http_;  // null: not asked for
  // Whether others were told of the same members; nothing once that is known.
  std::optional<Task<Status>> compared_;
};

bool IsWildcard(const std::string& address) {
  return address.starts_with("0.0.0.0:") || address.starts_with("[::]:") ||
         address.starts_with("*:");
}

Status CheckPlace(const NodeServiceOptions& options) {
  for (const std::string& name : {options.zone, options.datacentre}) {
    if (!name.empty()) {
      KVFS_RETURN_IF_ERROR(CheckPlaceName(name));
    }
  }
  if (!options.join.empty()) {
    if (!options.members.empty()) {
      return Status::InvalidArgument("either --members or --join: who joins learns the members");
    }
    if (options.weight.has_value()) {
      return Status::InvalidArgument("--weight goes with --members: who joins keeps nothing yet");
    }
    if (options.listen.empty() || IsWildcard(options.listen)) {
      return Status::InvalidArgument(
          "with --join, --listen HOST:PORT says where the others reach this node");
    }
    return Status::Ok();
  }
  const NodeAddress* const own = Find(options);
  if (own == nullptr) {
    return Status::InvalidArgument("node " + std::to_string(options.node) +
                                   " is not among the members");
  }
  const auto differs = [&](const char* option, const std::string& here, const std::string& there) {
    return Status::InvalidArgument(
        std::string(option) + " " + here + ": the list of members says " +
        (there.empty() ? "nothing" : there) + " of node " + std::to_string(options.node) +
        ", and every node must be given the same list");
  };
  if (!options.zone.empty() && options.zone != own->zone) {
    return differs("--zone", options.zone, own->zone);
  }
  if (!options.datacentre.empty() && options.datacentre != own->datacentre) {
    return differs("--datacentre", options.datacentre, own->datacentre);
  }
  if (options.weight.has_value() && *options.weight != own->weight) {
    return differs("--weight", std::to_string(*options.weight), std::to_string(own->weight));
  }
  return Status::Ok();
}

}  // namespace

Status CheckNodeServiceOptions(const NodeServiceOptions& options) {
  if (options.node == 0 || options.node >> 63 != 0) {
    return Status::InvalidArgument("nodes are numbered from 1");
  }
  KVFS_RETURN_IF_ERROR(CheckPlace(options));
  if (options.replicas < 1 || options.replicas > kMaxReplicas) {
    return Status::InvalidArgument("between 1 and 16 replicas");
  }
  if (options.memory_bytes < kMinMemory || options.memory_bytes > kMaxMemory) {
    return Status::InvalidArgument("memory must be between 64 MiB and 1 TiB");
  }
  if (options.capacity_bytes != 0 && options.capacity_bytes < kMinCapacity) {
    return Status::InvalidArgument("capacity must be at least 256 MiB");
  }
  if (!options.listen.empty()) {
    KVFS_RETURN_IF_ERROR(CheckAddress(options.listen));
  }
  if (!options.http.empty()) {
    KVFS_RETURN_IF_ERROR(CheckHttpAddress(options.http, options.insecure));
  }
  return ClusterIdOf(options.cluster).status();
}

Result<std::unique_ptr<NodeService>> NodeService::Start(const NodeServiceOptions& options) {
  KVFS_RETURN_IF_ERROR(CheckNodeServiceOptions(options));
  auto service = std::make_unique<NodeServiceImpl>(options);
  KVFS_RETURN_IF_ERROR(service->Start());
  return std::unique_ptr<NodeService>(std::move(service));
}

}  // namespace kvfs::tools
