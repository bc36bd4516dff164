#include "kvcore/client/told_layouts.h"

#include <memory>
#include <utility>

namespace kvfs::client {
namespace {

constexpr size_t kMaxAddressBytes = 300;

Status NotUnderstood() {
  return Status::InvalidArgument("it answers what this kvfs does not understand");
}

}  // namespace

void TellLayouts(const ring::RingView& view, replication::pb::MembersReply* reply) {
  reply->set_layout(ring::Encode(view.newest()));
  if (view.next() != nullptr) {
    reply->set_previous_layout(ring::Encode(view.current()));
  }
}

Result<ToldLayouts> ParseMembers(ByteView answer) {
  replication::pb::MembersReply reply;
  if (!reply.ParseFromArray(answer.data(), static_cast<int>(answer.size())) ||
      static_cast<size_t>(reply.members_size()) > ring::kMaxMembers) {
    return NotUnderstood();
  }
  KVFS_ASSIGN_OR_RETURN(ring::Layout newest, ring::DecodeLayout(reply.layout()));
  auto shared = std::make_shared<const ring::Layout>(std::move(newest));
  ToldLayouts told{ring::RingView(shared), {}};
  if (!reply.previous_layout().empty()) {
    KVFS_ASSIGN_OR_RETURN(ring::Layout previous, ring::DecodeLayout(reply.previous_layout()));
    if (previous.id().number + 1 != shared->id().number ||
        previous.partition_count() != shared->partition_count()) {
      return NotUnderstood();
    }
    told.view = ring::RingView(std::make_shared<const ring::Layout>(std::move(previous)));
    told.view.Begin(std::move(shared));
  }
  for (const auto& member : reply.members()) {
    if (member.address().empty() || member.address().size() > kMaxAddressBytes) {
      return NotUnderstood();
    }
    told.addresses[member.node()] = member.address();
  }
  return told;
}

}  // namespace kvfs::client
