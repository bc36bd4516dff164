#include "kvcore/node/cluster_node.h"

#include <algorithm>
#include <utility>

#include "kvcore/client/told_layouts.h"
#include "kvcore/engine/file_names.h"
#include "kvcore/node/layout_note.h"
#include "kvcore/proto/storage.pb.h"
#include "kvcore/replication/keys.h"
#include "kvcore/ring/difference.h"

namespace kvfs::node {
namespace {

using replication::Method;
using replication::NodeLocalKey;
using replication::NumberSource;

constexpr uint64_t kDotBlock = 1u << 20;
constexpr int64_t kMaxClockLeadMillis = 60'000;

Task<Result<Bytes>> Answer(Result<Bytes> bytes) { co_return bytes; }

}  // namespace

ClusterNode::ClusterNode(ClusterNodeOptions options, std::unique_ptr<engine::Db> db, env::Env env)
    : options_(std::move(options)),
      env_(env),
      db_(std::move(db)),
      engine_store_(db_.get()),
      store_(options_.partition_bits, options_.cluster_id, &engine_store_),
      hybrid_clock_(kMaxClockLeadMillis),
      sums_(&store_),
      tasks_(env.scheduler) {}

Task<Result<std::unique_ptr<ClusterNode>>> ClusterNode::Open(ClusterNodeOptions options,
                                                             env::Env env, std::string directory) {
  KVFS_CO_ASSIGN_OR_RETURN(auto db, engine::Db::Open(options.engine, env, directory));
  std::unique_ptr<ClusterNode> node(new ClusterNode(std::move(options), std::move(db), env));
  Status identified = co_await node->Identify(directory);
  if (!identified.ok()) {
    co_return identified.Annotate(directory);
  }
  co_return std::move(node);
}

Task<Status> ClusterNode::Identify(const std::string& directory) {
  KVFS_CO_ASSIGN_OR_RETURN(Bytes directory_identity, env_.files->FileIdentity(engine::FilePath(
                                                         directory, engine::FileKind::kLock)));
  Result<Identity> identity = LoadIdentity(&store_);
  const bool is_new = identity.status().code() == Code::kNotFound;
  if (identity.ok()) {
    identity_ = std::move(*identity);
    if (identity_.cluster_id != options_.cluster_id) {
      co_return Status::InvalidArgument(
          "this is the store of another cluster, or one that `kvfs mount` made for itself");
    }
    if (identity_.node_id != options_.self) {
      co_return Status::InvalidArgument("this is the store of node " +
                                        std::to_string(identity_.node_id) + ", not of node " +
                                        std::to_string(options_.self));
    }
    if (identity_.partition_bits != options_.partition_bits) {
      co_return Status::InvalidArgument("the store was made with another number of partitions");
    }
    if (identity_.directory_identity != directory_identity) {
      RenewStorageEpoch(&identity_, env_.random, std::move(directory_identity));
      Status saved = co_await SaveIdentity(identity_, &store_);
      KVFS_CO_RETURN_IF_ERROR(saved);
    }
  } else if (!is_new) {
    co_return identity.status();
  } else {
    identity_ = NewIdentity(env_.random, std::move(directory_identity));
    identity_.cluster_id = options_.cluster_id;
    identity_.node_id = options_.self;
    identity_.partition_bits = options_.partition_bits;
    if (options_.layouts == nullptr) {
      co_return Status::InvalidArgument("a new node has to be told of its cluster");
    }
    KVFS_CO_RETURN_IF_ERROR(MarkAsNew());  // durable when the identity is
    Status saved = co_await SaveIdentity(identity_, &store_);
    KVFS_CO_RETURN_IF_ERROR(saved);
  }
  is_new_ = is_new;
  std::optional<ring::RingView> given;
  if (options_.layouts != nullptr) {
    given.emplace(*options_.layouts);
  }
  auto kept = co_await AdoptLayouts(std::move(given), &store_);
  KVFS_CO_RETURN_IF_ERROR(kept.status());
  kept_.emplace(std::move(*kept));
  placement_.emplace(kept_->view);
  NumberSource::Options dots;
  dots.key = NodeLocalKey("dots");
  dots.block = kDotBlock;
  KVFS_CO_ASSIGN_OR_RETURN(dots_, NumberSource::Open(dots, &store_, env_.scheduler));
  NumberSource::Options lives;
  lives.key = NodeLocalKey("lives");
  lives.block = 1;
  if (is_new) {  // behind those of a store that this node may have had before
    lives.first = static_cast<uint64_t>(std::max<int64_t>(env_.clock->WallNanos() / 1'000'000, 1));
  }
  KVFS_CO_ASSIGN_OR_RETURN(lives_, NumberSource::Open(lives, &store_, env_.scheduler));
  co_return Status::Ok();
}

Status ClusterNode::MarkAsNew() {
  std::vector<replication::StoreWrite> writes(1);
  writes[0].key = antientropy::NewStoreKey();
  for (uint32_t partition = 0; partition >> options_.partition_bits == 0; ++partition) {
    const auto homes = options_.layouts->PreferenceList(partition);
    if (std::find(homes.begin(), homes.end(), options_.self) != homes.end()) {
      writes.push_back(replication::SuspectWrite(partition));
    }
  }
  return store_.Apply(std::move(writes), {}).status();
}

Task<Status> ClusterNode::Start(env::MessageBus* bus) {
  KVFS_CO_ASSIGN_OR_RETURN(const uint64_t life, co_await lives_->Take(1));
  bus_ = std::make_unique<BusFork>(bus, options_.self);
  env_.bus = bus_->Branch(kRpcType);
  if (options_.addresses != nullptr) {
    env::Env env = env_;
    env.bus = bus_->Branch(kMembershipType);
    KVFS_CO_ASSIGN_OR_RETURN(gossip_,
                             Gossip::Open(options_.gossip, env, &store_, options_.addresses));
  }
  const uint64_t storage_epoch = identity_.storage_epochs.back();
  rpc_ = std::make_unique<Rpc>(env_, options_.self, life);
  LayoutKeeper::Parts layouts;
  layouts.store = &store_;
  layouts.rpc = rpc_.get();
  layouts.placement = &*placement_;
  layouts.clock = env_.clock;
  layouts.scheduler = env_.scheduler;
  layouts.changed = options_.on_layout;
  keeper_ = std::make_unique<LayoutKeeper>(options_.agreement, options_.self, *kept_, layouts);
  keeper_->SetMayLearn(!is_new_ || options_.layouts_are_told);
  rpc_->OnNewerLayout([this](env::NodeId from) { keeper_->Seen(from); });
  watch_ =
      std::make_unique<WatchService>(options_.watch, options_.partition_bits, rpc_.get(), env_);
  replication::MajorityWatchOptions majority;
  majority.self = options_.self;
  majority.reach = options_.majority;
  majority_ = std::make_unique<replication::MajorityWatch>(majority, &*placement_, rpc_.get(),
                                                           env_.clock, env_.scheduler);
  replication::HomeOptions home = options_.home;
  home.partition_bits = options_.partition_bits;
  home_ = std::make_unique<replication::Home>(home, &store_, majority_.get(), env_.scheduler);
  replication::ReplicatedPrimaryOptions primary;
  primary.self = options_.self;
  primary.partition_bits = options_.partition_bits;
  primary.storage_epoch = storage_epoch;
  primary.pusher = options_.pusher;
  primary.max_branch_bytes = options_.home.max_branch_bytes;
  replication::ReplicatedPrimary::Parts parts;
  parts.placement = &*placement_;
  parts.home = home_.get();
  parts.peers = majority_.get();
  parts.watch = majority_.get();
  parts.store = &store_;
  parts.dots = dots_.get();
  parts.hybrid_clock = &hybrid_clock_;
  parts.clock = env_.clock;
  parts.scheduler = env_.scheduler;
  const auto changed = [watch = watch_.get()](const Bytes& pk, const std::vector<Bytes>& cks,
                                              uint64_t session) {
    watch->Changed(pk, cks, session);
  };
  parts.changed = changed;
  primary_ = std::make_unique<replication::ReplicatedPrimary>(primary, parts);
  chunks_ = std::make_unique<replication::ChunkHome>(storage_epoch, &store_, dots_.get(),
                                                     env_.scheduler, options_.chunks);
  replication::ChunkHintsOptions hints;
  hints.self = options_.self;
  hints.partition_bits = options_.partition_bits;
  chunk_hints_ = std::make_unique<replication::ChunkHints>(hints, &*placement_, majority_.get(),
                                                           chunks_.get(), env_.scheduler);
  replication::BranchesOptions branches = options_.branches;
  branches.self = options_.self;
  branches.partition_bits = options_.partition_bits;
  replication::Branches::Parts branch_parts;
  branch_parts.placement = &*placement_;
  branch_parts.home = home_.get();
  branch_parts.watch = majority_.get();
  branch_parts.random = env_.random;
  branch_parts.hybrid_clock = &hybrid_clock_;
  branch_parts.clock = env_.clock;
  branch_parts.scheduler = env_.scheduler;
  branch_parts.changed = changed;
  branches_ = std::make_unique<replication::Branches>(branches, branch_parts);
  service_ = std::make_unique<replication::Service>(home_.get(), primary_.get(), branches_.get());
  storage_ = std::make_unique<replication::StorageService>(options_.partition_bits, chunks_.get(),
                                                           &store_);
  if (gossip_ != nullptr) {
    gossip_->Start();  // says where the others are reached
  }
  rpc_->Start([this](env::NodeId from, Method method,
                     Bytes body) { return Serve(from, method, std::move(body)); },
              [this](env::NodeId from, Method method, Bytes body) {
                if (method == Method::kLayout) {
                  keeper_->Take(from, std::move(body));
                }
              });
  StartAntiEntropy();
  StartLayouts();
  replication::RebuilderOptions rebuild;
  rebuild.self = options_.self;
  rebuilder_ = std::make_unique<replication::Rebuilder>(rebuild, &*placement_, home_.get(),
                                                        rpc_.get(), env_.random, env_.scheduler);
  rebuilder_->Start();
  primary_->Start();
  branches_->Start();
  chunk_hints_->Start();
  tasks_.Start(Tidy());
  co_return Status::Ok();
}

void ClusterNode::StartAntiEntropy() {
  replication::ChunkRepairOptions repair;
  repair.self = options_.self;
  repair.partition_bits = options_.partition_bits;
  repair.is_alive = [this](env::NodeId node) { return IsAlive(node); };
  chunk_repair_ = std::make_unique<replication::ChunkRepair>(repair, &*placement_, majority_.get(),
                                                             chunks_.get());
  replication::CoordinatorOptions coordinator;
  coordinator.partition_bits = options_.partition_bits;
  coordinator_ = std::make_unique<replication::Coordinator>(coordinator, &*placement_, rpc_.get(),
                                                            env_.clock, env_.scheduler);
  antientropy::AntiEntropyOptions options = options_.anti_entropy;
  options.self = options_.self;
  options.partition_bits = options_.partition_bits;
  antientropy::AntiEntropy::Parts parts;
  parts.placement = &*placement_;
  parts.store = &store_;
  parts.service = &sums_;
  parts.peers = rpc_.get();
  parts.coordinator = coordinator_.get();
  parts.chunks = chunk_repair_.get();
  parts.clock = env_.clock;
  parts.scheduler = env_.scheduler;
  anti_entropy_ = std::make_unique<antientropy::AntiEntropy>(options, parts);
  anti_entropy_->Start();
}

bool ClusterNode::IsAlive(env::NodeId node) const {
  const auto who = view();
  return who == nullptr || node == options_.self || who->IsAlive(node);
}

void ClusterNode::StartLayouts() {
  MoverOptions mover = options_.mover;
  mover.self = options_.self;
  mover.partition_bits = options_.partition_bits;
  Mover::Parts moving;
  moving.placement = &*placement_;
  moving.peers = majority_.get();  // whoever is silent is not waited for
  moving.home = home_.get();
  moving.chunks = chunk_repair_.get();
  moving.store = &store_;
  moving.clock = env_.clock;
  moving.scheduler = env_.scheduler;
  moving.is_alive = [this](env::NodeId node) { return IsAlive(node); };
  moving.complete = [this](ring::LayoutId layout) { return keeper_->Complete(layout); };
  moving.newer = [this](env::NodeId node) { keeper_->Seen(node); };
  mover_ = std::make_unique<Mover>(mover, std::move(moving));
  EraserOptions eraser = options_.eraser;
  eraser.self = options_.self;
  eraser.partition_bits = options_.partition_bits;
  Eraser::Parts erasing;
  erasing.placement = &*placement_;
  erasing.home = home_.get();
  erasing.chunks = chunks_.get();
  erasing.store = &store_;
  erasing.scheduler = env_.scheduler;
  eraser_ = std::make_unique<Eraser>(eraser, erasing);
  keeper_->Start();
  mover_->Start();
  eraser_->Start();
}

replication::pb::TransfersReply ClusterNode::Transfers() const {
  auto progress = mover_->Progress();
  progress.set_to_erase(eraser_->left());
  return progress;
}

Task<void> ClusterNode::Tidy() {
  while (true) {
    const bool goes_on =
        co_await env::SleepUnless(env_.scheduler, options_.tidy_micros, &stopping_);
    if (!goes_on) {
      co_return;
    }
    (void)(co_await home_->Tidy()).ok();  // else the next time
  }
}

Bytes ClusterNode::Members() const {
  replication::pb::MembersReply reply;
  client::TellLayouts(*layouts(), &reply);
  if (const auto who = view(); who != nullptr) {
    for (const auto& [node, status] : who->peers()) {
      auto* const member = reply.add_members();
      member->set_node(node);
      member->set_address(status.peer.address);
    }
  }
  return reply.SerializeAsString();
}

Task<Result<Bytes>> ClusterNode::Administer(Bytes request) {
  if (!admin_) {
    co_return Status::InvalidArgument("this node is not administrated over the network");
  }
  Bytes answer = co_await admin_(std::move(request));
  co_return answer;
}

// An answer may be lost while the other one's bus finds this node again.
Task<Result<Bytes>> ClusterNode::AskForMembers(env::NodeId node, int64_t micros) {
  constexpr int64_t kAttemptMicros = 500'000;
  const int64_t deadline = env_.clock->MonotonicMicros() + micros;
  while (true) {
    const int64_t left = deadline - env_.clock->MonotonicMicros();
    auto answer = co_await rpc_->Call(node, Method::kMembers, {}, std::min(left, kAttemptMicros));
    const int64_t pause = std::min(deadline - env_.clock->MonotonicMicros(), kAttemptMicros);
    if (answer.ok() || pause <= 0 || stopping_) {
      co_return answer;
    }
    if (answer.status().code() == Code::kUnavailable) {
      co_await env::SleepFor(env_.scheduler, pause);
    }
  }
}

Task<Status> ClusterNode::CompareLayouts(int64_t micros) {
  const auto own = layouts();
  std::vector<env::NodeId> asked;
  std::vector<Task<Result<Bytes>>> answers;  // all at once
  for (const ring::Member& member : own->newest().members()) {
    if (member.node != options_.self) {
      asked.push_back(member.node);
      answers.push_back(AskForMembers(member.node, micros));
    }
  }
  const bool is_guess = is_new_ && !options_.layouts_are_told;
  const ring::LayoutId id = own->newest().id();
  size_t same = 1;  // this one
  size_t others = 0;
  Status difference;
  for (size_t i = 0; i < asked.size(); ++i) {
    Task<Result<Bytes>>& one = answers[i];
    const auto answer = co_await one;
    const auto told =
        answer.ok() ? client::ParseMembers(*answer) : Result<client::ToldLayouts>(answer.status());
    if (!told.ok()) {
      continue;
    }
    const ring::Layout& theirs = told->view.newest();
    if (theirs.id().number > layouts()->newest().id().number) {
      if (is_guess) {
        co_return Status::InvalidArgument(
            "the members of the cluster have changed since it was made: start this node with "
            "--join "
            "instead of --members");
      }
      keeper_->Seen(asked[i]);
    } else if (theirs.id().number != id.number || theirs.id() == id) {
      ++same;  // or has gone on from there meanwhile, as this node has
    } else {
      ++others;
      const std::string words = ring::DifferenceBetween(own->newest().spec(), theirs.spec());
      difference = Status::InvalidArgument(
          "node " + std::to_string(asked[i]) +
          " was given other members: " + (words.empty() ? "the partitions lie elsewhere" : words));
    }
  }
  if (others >= same) {
    co_return difference;
  }
  if (same > 1) {
    keeper_->SetMayLearn(true);
  }
  co_return Status::Ok();
}

Task<Result<Bytes>> ClusterNode::Serve(env::NodeId from, Method method, Bytes body) {
  const int64_t began = env_.clock->MonotonicMicros();
  Result<Bytes> answer = co_await CarryOut(from, method, std::move(body));
  requests_.Note(method, env_.clock->MonotonicMicros() - began, !answer.ok());
  co_return answer;
}

Task<Result<Bytes>> ClusterNode::CarryOut(env::NodeId from, Method method, Bytes body) {
  if (replication::StorageService::Serves(method)) {
    return storage_->Handle(method, std::move(body));
  }
  if (antientropy::Service::Serves(method)) {
    return Answer(sums_.Handle(method, body));
  }
  if (method == Method::kWatch) {
    return watch_->Handle(from, std::move(body));
  }
  if (method == Method::kMembers) {
    return Answer(Members());
  }
  if (method == Method::kTransfers) {
    return Answer(Transfers().SerializeAsString());
  }
  if (method == Method::kAdmin) {
    return Administer(std::move(body));
  }
  return service_->Handle(from, method, std::move(body));
}

Task<void> ClusterNode::CloseGossip() {
  if (gossip_ != nullptr) {
    co_await gossip_->Close();
  }
}

Task<void> ClusterNode::Stop() {
  stopping_ = true;
  if (bus_ != nullptr) {
    bus_->Close();
  }
  Task<void> gossip = CloseGossip();
  if (rpc_ != nullptr) {
    watch_->Close();
    // All at once: what one of them waits for is ended by the other.
    Task<void> primary = primary_->Close();
    Task<void> rebuilder = rebuilder_->Close();
    Task<void> branches = branches_->Close();
    Task<void> majority = majority_->Close();
    Task<void> anti_entropy = anti_entropy_->Close();
    Task<void> hints = chunk_hints_->Close();
    Task<void> keeper = keeper_->Close();
    Task<void> mover = mover_->Close();
    Task<void> eraser = eraser_->Close();
    co_await rpc_->Close();
    co_await primary;
    co_await rebuilder;
    co_await branches;
    co_await majority;
    co_await anti_entropy;
    co_await coordinator_->Close();
    co_await hints;
    co_await keeper;
    co_await mover;
    co_await eraser;
  }
  co_await gossip;
  co_await tasks_.Drain();
}

Task<Status> ClusterNode::Close() {
  if (gossip_ != nullptr) {
    gossip_->Leave();
  }
  co_await Stop();
  KVFS_CO_RETURN_IF_ERROR(dots_->Close());
  KVFS_CO_RETURN_IF_ERROR(lives_->Close());
  Status synced = co_await store_.Sync(store_.LastPosition());
  co_return synced;
}

}  // namespace kvfs::node
