#include "kvcore/ops/layout_admin.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kvcore/proto/storage.pb.h"
#include "kvcore/ring/plan.h"
#include "kvcore/ring/transition.h"

namespace kvfs::ops {
namespace {

using replication::Method;
using ring::Change;

constexpr int64_t kAskMicros = 1'000'000;

Result<std::vector<Change>> ChangesOf(const admin::ApplyRequest& request) {
  std::vector<Change> changes;
  for (const auto& told : request.changes()) {
    if (told.kind() > static_cast<uint32_t>(Change::Kind::kSet)) {
      return Status::InvalidArgument("an unknown kind of change");
    }
    Change& change = changes.emplace_back();
    change.kind = static_cast<Change::Kind>(told.kind());
    change.member.node = told.node();
    change.member.weight = told.weight();
    change.member.datacentre = told.datacentre();
    change.member.zone = told.zone();
    change.replaced = told.replaced();
  }
  return changes;
}

}  // namespace

void LayoutAdmin::RegisterWith(AdminService* service) {
  service->Register(AdminCommand::kApply, this);
  service->Register(AdminCommand::kTransfers, this);
}

Task<AdminResponse> LayoutAdmin::Handle(AdminRequest request) {
  if (request.has_apply()) {
    return Apply(request.apply());
  }
  return Transfers();
}

Task<AdminResponse> LayoutAdmin::Apply(admin::ApplyRequest request) {
  const auto layouts = node_->layouts();
  const ring::Layout& newest = layouts->newest();
  if (newest.id() != ring::LayoutId{request.base_number(), request.base_hash()}) {
    co_return ErrorResponse(Status::Conflict("the layout has changed: look at the plan again"));
  }
  const auto changes = ChangesOf(request);
  if (!changes.ok()) {
    co_return ErrorResponse(changes.status());
  }
  auto plan = ring::PlanChange(newest, *changes);
  if (!plan.ok()) {
    co_return ErrorResponse(plan.status());
  }
  const auto view = node_->view();
  for (const ring::Member& member : plan->next.members()) {
    if (newest.FindMember(member.node) == nullptr && view != nullptr &&
        member.node != node_->self() && !view->IsAlive(member.node)) {
      co_return ErrorResponse(Status::InvalidArgument(
          "node " + std::to_string(member.node) +
          " is not there: start it with kvfsd --join; it is known a few seconds later"));
    }
  }
  AdminResponse response;
  response.mutable_apply()->set_layout_number(plan->next.id().number);
  auto next = std::make_shared<const ring::Layout>(std::move(plan->next));
  const Status decided = co_await node_->ProposeLayout(std::move(next));
  if (!decided.ok()) {
    co_return ErrorResponse(decided);
  }
  co_return response;
}

Task<AdminResponse> LayoutAdmin::Transfers() {
  const auto layouts = node_->layouts();
  const auto view = node_->view();
  const ring::LayoutStage stage = layouts->stage();
  std::set<env::NodeId> nodes;
  for (const ring::Layout* const layout : {&layouts->current(), &layouts->newest()}) {
    for (const ring::Member& member : layout->members()) {
      nodes.insert(member.node);
    }
  }
  if (view != nullptr) {  // also those that have left the layout, and have yet to erase
    for (const auto& [node, status] : view->peers()) {
      nodes.insert(node);
    }
  }
  std::vector<env::NodeId> asked(nodes.begin(), nodes.end());
  std::vector<Task<Result<Bytes>>> answers;
  for (const env::NodeId node : asked) {
    answers.push_back(node_->peers()->Call(node, Method::kTransfers, {}, kAskMicros));
  }
  AdminResponse response;
  admin::TransfersResponse* const out = response.mutable_transfers();
  out->set_layout_number(stage.id.number);
  out->set_in_transition(stage.in_transition);
  const std::vector<uint32_t> counts = layouts->newest().PartitionsPerMember();
  ring::Moved moved;
  for (size_t i = 0; i < asked.size(); ++i) {
    Task<Result<Bytes>>& one = answers[i];
    const auto answer = co_await one;
    admin::NodeTransfers* const line = out->add_nodes();
    line->set_node_id(asked[i]);
    const auto& members = layouts->newest().members();
    for (size_t member = 0; member < members.size(); ++member) {
      if (members[member].node == asked[i]) {
        line->set_partitions(counts[member]);
      }
    }
    replication::pb::TransfersReply reply;
    if (!answer.ok() || !reply.ParseFromString(*answer)) {
      continue;
    }
    line->set_answers(true);
    line->set_layout_number(reply.layout_number());
    line->set_in_transition(reply.in_transition());
    line->set_wanted(reply.wanted());
    line->set_moved(static_cast<uint32_t>(reply.moved_size()));
    line->set_moved_keys(reply.moved_keys());
    line->set_moved_chunks(reply.moved_chunks());
    line->set_moved_bytes(reply.moved_bytes());
    line->set_trouble(reply.trouble());
    line->set_to_erase(reply.to_erase());
    if (reply.layout_number() == stage.id.number) {
      moved[asked[i]].insert(reply.moved().begin(), reply.moved().end());
    }
  }
  const auto is_alive = [&](env::NodeId node) {
    return view == nullptr || node == node_->self() || view->IsAlive(node);
  };
  out->set_moving(static_cast<uint32_t>(ring::StillMoving(*layouts, moved, is_alive).size()));
  co_return response;
}

}  // namespace kvfs::ops
