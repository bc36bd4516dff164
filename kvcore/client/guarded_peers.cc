#include "kvcore/client/guarded_peers.h"

#include <algorithm>
#include <string>
#include <utility>

namespace kvfs::client {

Task<Result<Bytes>> GuardedPeers::Call(env::NodeId to, replication::Method method, Bytes body,
                                       int64_t timeout_micros) {
  const int64_t began = clock_->MonotonicMicros();
  {
    std::lock_guard lock(mutex_);
    if (!health_.MayAsk(to, began)) {
      co_return Status::Unavailable("node " + std::to_string(to) + " has not answered lately");
    }
  }
  auto answer = co_await peers_->Call(to, method, std::move(body), timeout_micros);
  const Code code = answer.status().code();
  const int64_t now = clock_->MonotonicMicros();
  std::lock_guard lock(mutex_);
  // One that says that it has started anew has answered, and the next call will find it.
  const bool is_silence = code == Code::kOutcomeUnknown && now - began >= timeout_micros;
  if (is_silence || code == Code::kUnavailable) {
    health_.Failed(to, now);
  } else {
    health_.Answered(to, now - began, now);
  }
  co_return answer;
}

void GuardedPeers::PutHealthyFirst(std::vector<env::NodeId>* homes) const {
  const int64_t now = clock_->MonotonicMicros();
  std::lock_guard lock(mutex_);
  std::stable_partition(homes->begin(), homes->end(),
                        [&](env::NodeId node) { return health_.IsHealthy(node, now); });
}

std::vector<env::NodeId> GuardedPeers::HomesOf(uint32_t partition) const {
  std::vector<env::NodeId> homes = placement_->HomesOf(partition);
  PutHealthyFirst(&homes);
  return homes;
}

replication::Electorate GuardedPeers::ElectorateOf(uint32_t partition) const {
  replication::Electorate electorate = placement_->ElectorateOf(partition);
  PutHealthyFirst(&electorate.homes);
  return electorate;
}

}  // namespace kvfs::client
