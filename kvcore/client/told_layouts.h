// What a node says of its cluster (replication::Method::kMembers): the layouts in force, and where
// everybody is reached. Functions; what comes in is not trusted.
#pragma once

#include <map>
#include <string>

#include "kvcore/base/status.h"
#include "kvcore/env/message_bus.h"
#include "kvcore/proto/storage.pb.h"
#include "kvcore/ring/ring_view.h"

namespace kvfs::client {

struct ToldLayouts {
  ring::RingView view;
  std::map<env::NodeId, std::string> addresses;  // of members, and of others that have come
};

// kInvalidArgument, kCorruption.
Result<ToldLayouts> ParseMembers(ByteView answer);
// Puts the layouts into the answer.
void TellLayouts(const ring::RingView& view, replication::pb::MembersReply* reply);

}  // namespace kvfs::client
