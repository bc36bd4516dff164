#include "tools/cluster/told.h"

#include <string>
#include <utility>

#include "kvcore/client/told_layouts.h"
#include "kvcore/env/posix/blocking_wait.h"

namespace kvfs::tools {
namespace {

using replication::Method;

constexpr int64_t kAnswerMicros = 2'000'000;
constexpr int kAttempts = 5;

Result<ToldCluster> Parse(const Bytes& answer) {
  KVFS_ASSIGN_OR_RETURN(client::ToldLayouts members, client::ParseMembers(answer));
  if (members.addresses.empty()) {
    return Status::InvalidArgument("it names no members");
  }
  ToldCluster told{std::move(members.view), {}};
  for (const auto& [number, address] : members.addresses) {
    KVFS_RETURN_IF_ERROR(CheckAddress(address));
    NodeAddress node;
    node.node = number;
    node.address = address;
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
