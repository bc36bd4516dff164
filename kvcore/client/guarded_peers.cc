#include "kvcore/client/guarded_peers.h"

#include <algorithm>
#include <string>
#include <utility>

namespace kvfs::client {
namespace {

constexpr int kNoSignsToBeSilent = 2;  // one may have been lost

}  // namespace

Task<Result<Bytes>> GuardedPeers::Call(env::NodeId to, replication::Method method, Bytes body,
                                       int64_t timeout_micros) {
  const int64_t began = Now();
  bool silent = false;
  bool watch = false;
  {
    std::lock_guard lock(mutex_);
    Peer& peer = all_[to];
    peer.wanted = began;
    watch = !peer.watched && !closing_;
    peer.watched = peer.watched || watch;
    silent = peer.silent;
    if (!silent) {
      ++peer.waiting;
      peer.quiet_since = peer.quiet_since.value_or(began);
    }
  }
  if (watch) {
    tasks_.Start(Watch(to));
  }
  if (silent) {
    co_return Status::Unavailable("node " + std::to_string(to) + " does not answer");
  }
  auto answer = co_await peers_->Call(to, method, std::move(body), timeout_micros);
  const Code code = answer.status().code();
  const int64_t now = Now();
  std::lock_guard lock(mutex_);
  Peer& peer = all_[to];
  --peer.waiting;
  // One that says that it has started anew has answered, and the next call will find it.
  const bool is_late = code == Code::kOutcomeUnknown && now - began >= timeout_micros;
  if (is_late || code == Code::kUnavailable) {
    ++peer.failures;
  } else if (code != Code::kOutcomeUnknown || !peer.silent) {  // else it was given up
    peer.failures = 0;
    Heard(&peer, now);
  }
  co_return answer;
}

void GuardedPeers::Heard(Peer* peer, int64_t now) {
  peer->quiet_since.reset();
  if (peer->waiting > 0) {
    peer->quiet_since = now;
  }
  peer->no_signs = 0;
  peer->silent = false;
}

bool GuardedPeers::IsOver(Peer* peer, int64_t now) {
  const bool is_over = closing_ || !peer->quiet_since.has_value() ||
                       (peer->silent && now - peer->wanted >= options_.forget_micros);
  if (is_over) {
    peer->watched = false;
    peer->silent = false;
    peer->quiet_since.reset();
    peer->no_signs = 0;
  }
  return is_over;
}

Task<void> GuardedPeers::Watch(env::NodeId to) {
  while (true) {
    (void)co_await env::SleepUnless(scheduler_, options_.look_micros, &closing_);
    {
      std::lock_guard lock(mutex_);
      Peer& peer = all_[to];
      if (IsOver(&peer, Now())) {
        co_return;
      }
      if (!peer.silent && Now() - *peer.quiet_since < options_.look_micros) {
        continue;
      }
    }
    Bytes nothing;
    // Which it answers whatever it knows of the cluster.
    const auto sign = co_await peers_->Call(to, replication::Method::kMembers, std::move(nothing),
                                            options_.sign_micros);
    const Code code = sign.status().code();
    bool give_up = false;
    {
      std::lock_guard lock(mutex_);
      Peer& peer = all_[to];
      const int64_t now = Now();
      if (code != Code::kOutcomeUnknown && code != Code::kUnavailable) {
        Heard(&peer, now);
      } else if (++peer.no_signs >= kNoSignsToBeSilent && peer.quiet_since.has_value() &&
                 now - *peer.quiet_since >= options_.silence_micros) {
        give_up = !peer.silent;
        peer.silent = true;
      }
    }
    if (give_up) {
      peers_->GiveUp(to);
    }
  }
}

void GuardedPeers::PutHealthyFirst(std::vector<env::NodeId>* homes) const {
  std::lock_guard lock(mutex_);
  std::stable_partition(homes->begin(), homes->end(), [&](env::NodeId node) {
    const auto found = all_.find(node);
    return found == all_.end() ||
           (!found->second.silent && found->second.failures < options_.failures_to_avoid);
  });
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

Task<void> GuardedPeers::Close() {
  closing_ = true;
  co_await tasks_.Drain();
}

}  // namespace kvfs::client
