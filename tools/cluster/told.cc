#include "tools/cluster/told.h"

#include <string>
#include <utility>

#include "kvcore/env/posix/blocking_wait.h"
#include "kvcore/proto/storage.pb.h"

namespace kvfs::tools {
namespace {

using replication::Method;

constexpr int64_t kAnswerMicros = 2'000'000;
constexpr int kAttempts = 5;

Result<ToldCluster> Parse(const Bytes& answer) {
  replication::pb::MembersReply members;
  if (!members.ParseFromString(answer) || members.members().empty() ||
      static_cast<size_t>(members.members_size()) > kMaxNodes) {
    return Status::InvalidArgument("it answers what this kvfs does not understand");
  }
  KVFS_ASSIGN_OR_RETURN(ring::Layout layout, ring::DecodeLayout(members.layout()));
  ToldCluster told{std::move(layout), {}};
  for (const auto& member : members.members()) {
    KVFS_RETURN_IF_ERROR(CheckAddress(member.address()));
    NodeAddress node;
    node.node = member.node();
    node.address = member.address();
    told.nodes.push_back(std::move(node));
  }
  return told;
}

}  // namespace

Result<ToldCluster> AskForCluster(ClusterConnection* connection) {
  Status last;
  for (const auto& [node, address] : connection->found()) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto answer = env::posix::BlockingWait(
          connection->peers()->Call(node, Method::kMembers, {}, kAnswerMicros));
      Result<ToldCluster> told =
          answer.ok() ? Parse(*answer) : Result<ToldCluster>(answer.status());
      if (told.ok()) {
        return told;
      }
      last = told.status().Annotate("node " + std::to_string(node));
    }
  }
  return Status::Unavailable("who the nodes are cannot be learnt: " + last.message());
}

}  // namespace kvfs::tools
