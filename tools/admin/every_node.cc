#include "tools/admin/every_node.h"

#include <utility>

namespace kvfs::tools {
namespace {

Result<ops::AdminResponse> AskNode(Asker* asker, uint64_t node, const ops::AdminRequest& request) {
  ops::AdminRequest relayed;
  relayed.mutable_relay()->set_node_id(node);
  relayed.mutable_relay()->set_request(request.SerializeAsString());
  KVFS_ASSIGN_OR_RETURN(const auto answer, asker->Ask(relayed));
  ops::AdminResponse response;
  if (!response.ParseFromString(answer.relay().response())) {
    return Status::IoError("node " + std::to_string(node) + " sent no sense");
  }
  KVFS_RETURN_IF_ERROR(ops::StatusOf(response));
  return response;
}

}  // namespace

Result<std::vector<NodeAnswer>> AskEveryNode(Asker* asker, const ops::AdminRequest& request) {
  std::vector<NodeAnswer> answers;
  ops::AdminRequest who;
  who.mutable_members();
  const auto members = asker->Ask(who);
  if (!members.ok() && members.error().code() == Code::kInvalidArgument) {  // not served: a mount
    NodeAnswer& one = answers.emplace_back();
    one.response = asker->Ask(request);
    return answers;
  }
  KVFS_RETURN_IF_ERROR(members.status());
  for (const admin::NodeStatus& member : members->members().nodes()) {
    NodeAnswer& one = answers.emplace_back();
    one.node = member.node_id();
    one.response = member.state() == "up" ? AskNode(asker, member.node_id(), request)
                                          : Status::Unavailable("is " + member.state());
  }
  return answers;
}

}  // namespace kvfs::tools
