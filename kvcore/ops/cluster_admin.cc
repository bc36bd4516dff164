#include "kvcore/ops/cluster_admin.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "kvcore/ops/cluster_picture.h"
#include "kvcore/ops/compare_homes.h"
#include "kvcore/ops/node_metrics.h"
#include "kvcore/ops/store_admin.h"
#include "kvcore/replication/keys.h"
#include "kvcore/replication/messages.h"

namespace kvfs::ops {
namespace {

using replication::Method;

// A node that takes longer is told of as one that does not answer.
constexpr int64_t kReportMicros = 2'000'000;
constexpr int64_t kSumsMicros = 30'000'000;    // what was written before there were sums is read
constexpr int64_t kRelayMicros = 600'000'000;  // a scrub takes as long as reading the disk
constexpr size_t kMostUnmerged = 10'000;       // counted for `status`

auto StateOrder(const admin::HomeOfKey& home) {
  return std::make_tuple(home.epoch_number(), home.epoch_node(), home.seq());
}

}  // namespace

ClusterAdmin::ClusterAdmin(node::ClusterNode* node, std::string version)
    : node_(node),
      version_(std::move(version)),
      started_micros_(node->env().clock->MonotonicMicros()),
      placement_(node->placement(), [node] { return node->view(); }),
      kv_([this] { return OpenClient(); }),
      opening_(node->env().scheduler) {}

void ClusterAdmin::RegisterWith(AdminService* service) {
  for (const AdminCommand command :
       {AdminCommand::kMembers, AdminCommand::kRing, AdminCommand::kExplainKey,
        AdminCommand::kReport, AdminCommand::kEngineStats, AdminCommand::kRelay,
        AdminCommand::kCompareHomes, AdminCommand::kHints, AdminCommand::kVerify,
        AdminCommand::kCheck}) {
    service->Register(command, this);
  }
  service->RegisterStatus(this);
  service->RegisterMetrics(this);
  kv_.RegisterWith(service);
}

Task<AdminResponse> ClusterAdmin::Handle(AdminRequest request) {
  AdminResponse response;
  switch (request.command_case()) {
    case AdminCommand::kMembers: {
      const auto view = node_->view();
      for (auto& line : DescribeNodes(node_->layouts()->newest(), *view)) {
        *response.mutable_members()->add_nodes() = std::move(line);
      }
      break;
    }
    case AdminCommand::kRing:
      response.mutable_ring()->set_layout(ring::Encode(node_->layouts()->newest()));
      break;
    case AdminCommand::kReport: {
      auto report = Report();
      if (!report.ok()) {
        co_return ErrorResponse(report.status());
      }
      *response.mutable_report()->mutable_node() = std::move(*report);
      break;
    }
    case AdminCommand::kEngineStats:
      FillEngineStats(node_->db()->GetStats(), response.mutable_engine_stats()->mutable_stats());
      break;
    case AdminCommand::kRelay:
      response = co_await Relay(std::move(*request.mutable_relay()));
      break;
    case AdminCommand::kCompareHomes:
      *response.mutable_compare_homes() = co_await CompareHomes(
          node_->placement(), node_->peers(), node_->layouts()->newest().spec().partition_bits,
          node_->view(), kSumsMicros);
      break;
    case AdminCommand::kHints: {
      auto hints = DescribeHints(node_);
      if (!hints.ok()) {
        co_return ErrorResponse(hints.status());
      }
      *response.mutable_hints() = std::move(*hints);
      break;
    }
    case AdminCommand::kVerify:
      response = co_await Verify();
      break;
    case AdminCommand::kCheck:
      response = CheckStoreOf(node_->identity(), request.check(), true, node_->store());
      break;
    default:
      response = co_await ExplainKey(request.explain_key().pk());
      break;
  }
  co_return response;
}

Result<admin::NodeStatus> ClusterAdmin::Report() {
  admin::NodeStatus report;
  KVFS_ASSIGN_OR_RETURN(const auto space, node_->store()->GetSpace());
  KVFS_ASSIGN_OR_RETURN(const auto suspects, node_->home()->Suspects());
  KVFS_ASSIGN_OR_RETURN(const auto branched, node_->home()->BranchedPks({}, kMostUnmerged));
  const engine::Stats stats = node_->db()->GetStats();
  KVFS_ASSIGN_OR_RETURN(const uint64_t hints, node_->chunks()->HintCount());
  report.set_pending_hints(hints);
  report.set_unmerged_keys(static_cast<uint32_t>(branched.size()));
  report.set_unmerged_is_more(branched.size() == kMostUnmerged);
  report.set_node_id(node_->self());
  report.set_version(version_);
  report.set_uptime_millis(
      static_cast<uint64_t>((node_->env().clock->MonotonicMicros() - started_micros_) / 1000));
  report.set_capacity_bytes(space.total_bytes);
  report.set_available_bytes(space.available_bytes);
  report.set_used_bytes(stats.DiskBytes());
  report.set_read_only(!stats.background_error.ok());
  report.set_read_only_reason(stats.background_error.message());
  report.set_suspect_partitions(static_cast<uint32_t>(suspects.size()));
  report.set_layout_number(node_->layouts()->newest().id().number);
  report.set_layout_hash(node_->layouts()->newest().id().hash);
  return report;
}

// Twice: the first request to a node that was started anew finds that out, and no more.
Task<Result<Bytes>> ClusterAdmin::AskForReport(env::NodeId node) {
  AdminRequest request;
  request.mutable_report();
  Bytes body = request.SerializeAsString();
  auto answer = co_await node_->peers()->Call(node, Method::kAdmin, body, kReportMicros / 2);
  if (!answer.ok()) {
    auto again =
        co_await node_->peers()->Call(node, Method::kAdmin, std::move(body), kReportMicros / 2);
    co_return again;
  }
  co_return answer;
}

Task<Status> ClusterAdmin::Contribute(admin::StatusResponse* status) {
  const auto view = node_->view();
  std::vector<admin::NodeStatus> lines = DescribeNodes(node_->layouts()->newest(), *view);
  // All at once. Those that are believed to be away are not asked: they would be waited for.
  std::vector<admin::NodeStatus*> asked;
  std::vector<Task<Result<Bytes>>> answers;
  for (admin::NodeStatus& line : lines) {
    if (view->IsAlive(line.node_id())) {
      asked.push_back(&line);
      answers.push_back(AskForReport(line.node_id()));
    }
  }
  for (size_t i = 0; i < asked.size(); ++i) {
    Task<Result<Bytes>>& one = answers[i];
    const auto answer = co_await one;
    AdminResponse response;
    if (answer.ok() && response.ParseFromString(*answer) && response.has_report()) {
      AddReport(response.report().node(), asked[i]);
    }
  }
  *status->mutable_cluster() = Summarise(node_->layouts()->newest(), lines);
  status->mutable_cluster()->set_node_id(node_->self());
  for (admin::NodeStatus& line : lines) {
    *status->add_nodes() = std::move(line);
  }
  co_return Status::Ok();
}

Task<AdminResponse> ClusterAdmin::ExplainKey(Bytes pk) {
  if (const Status valid = replication::CheckUserPk(pk); !valid.ok()) {
    co_return ErrorResponse(valid);
  }
  AdminResponse response;
  admin::ExplainKeyResponse* const out = response.mutable_explain_key();
  const uint16_t place = replication::PlaceOf(pk);
  const uint32_t partition =
      replication::PartitionOf(place, node_->layouts()->newest().spec().partition_bits);
  out->set_pk(pk);
  out->set_place(place);
  out->set_partition(partition);
  const std::vector<env::NodeId> homes = node_->placement()->HomesOf(partition);
  replication::pb::ReadRequest request;
  request.set_pk(pk);
  request.set_state_only(true);
  const Bytes body = request.SerializeAsString();
  std::vector<Task<Result<Bytes>>> answers;
  answers.reserve(homes.size());
  for (const env::NodeId node : homes) {
    answers.push_back(node_->peers()->Call(node, Method::kRead, body, kReportMicros));
  }
  for (size_t i = 0; i < homes.size(); ++i) {
    Task<Result<Bytes>>& one = answers[i];
    const auto answer = co_await one;
    admin::HomeOfKey* const home = out->add_homes();
    home->set_node_id(homes[i]);
    const auto reply = answer.ok() ? replication::Parse<replication::pb::ReadReply>(*answer)
                                   : Result<replication::pb::ReadReply>(answer.status());
    if (!reply.ok() || !reply->ok()) {
      home->set_error(reply.ok() ? reply->message() : reply.status().message());
      continue;
    }
    home->set_answers(true);
    home->set_epoch_number(reply->state().epoch().number());
    home->set_epoch_node(reply->state().epoch().node());
    home->set_seq(reply->state().seq());
  }
  for (admin::HomeOfKey& home : *out->mutable_homes()) {
    home.set_behind(home.answers() &&
                    std::any_of(out->homes().begin(), out->homes().end(), [&](const auto& other) {
                      return other.answers() && StateOrder(other) > StateOrder(home);
                    }));
  }
  co_return response;
}

void ClusterAdmin::AddMetrics(MetricList* list) {
  admin::EngineStats engine;
  FillEngineStats(node_->db()->GetStats(), &engine);
  AddEngineMetrics(engine, list);
  AddNodeMetrics(node_, list);
}

Task<AdminResponse> ClusterAdmin::Relay(admin::RelayRequest request) {
  AdminRequest inner;
  if (!inner.ParseFromString(request.request()) || inner.has_relay()) {
    co_return ErrorResponse(Status::InvalidArgument("not a request that can be relayed"));
  }
  if (node_->layouts()->newest().FindMember(request.node_id()) == nullptr &&
      !node_->view()->peers().contains(request.node_id())) {
    co_return ErrorResponse(Status::InvalidArgument(
        "there is no node " + std::to_string(request.node_id()) + " in this cluster"));
  }
  auto answer = co_await node_->peers()->Call(request.node_id(), Method::kAdmin,
                                              std::move(*request.mutable_request()), kRelayMicros);
  if (!answer.ok()) {
    co_return ErrorResponse(answer.status());
  }
  AdminResponse response;
  *response.mutable_relay()->mutable_response() = std::move(*answer);
  co_return response;
}

Task<AdminResponse> ClusterAdmin::Verify() { co_return co_await VerifyStore(node_->db()); }

Task<Result<client::Client*>> ClusterAdmin::OpenClient() {
  const auto lock = co_await opening_.Lock();
  if (client_ == nullptr) {
    client::ClusterClientOptions options;
    options.partition_bits = node_->layouts()->newest().spec().partition_bits;
    options.replicas = static_cast<uint32_t>(node_->layouts()->newest().replica_count());
    client::ClusterClient::Parts parts;
    parts.placement = &placement_;
    parts.peers = node_->peers();
    parts.nodes = [this] { return node_->layouts()->Keepers(); };
    parts.clock = node_->env().clock;
    parts.scheduler = node_->env().scheduler;
    parts.random = node_->env().random;
    KVFS_CO_ASSIGN_OR_RETURN(client_, co_await client::ClusterClient::Open(
                                          options, node_->identity().cluster_id, parts));
  }
  co_return client_.get();
}

Task<void> ClusterAdmin::Close() {
  if (client_ != nullptr) {
    co_await client_->Close();
  }
}

}  // namespace kvfs::ops
