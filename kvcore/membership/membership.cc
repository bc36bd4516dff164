#include "kvcore/membership/membership.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kvcore/membership/suspicion.h"

namespace kvfs::membership {
namespace {

using Kind = Message::Kind;
using EventKind = Membership::Event::Kind;

constexpr size_t kMaxPeers = kMaxRumors;  // so that a sync can name them all
constexpr size_t kMaxRelays = 1024;
constexpr size_t kToldOfLeaving = 8;

}  // namespace

Membership::Membership(Peer self, Options options, uint64_t seed)
    : self_(std::move(self)), options_(options), random_(seed) {}

size_t Membership::Members() const {
  if (members_version_ != view_.version()) {
    members_version_ = view_.version();
    members_ = static_cast<size_t>(
        std::count_if(view_.peers().begin(), view_.peers().end(),
                      [](const auto& entry) { return entry.second.state != State::kLeft; }));
  }
  return members_;
}

void Membership::Health(int change) {
  local_health_ = std::clamp(local_health_ + change, 0, options_.max_local_health);
}

// Some alive others, in random order.
std::vector<NodeId> Membership::Draw(size_t count, NodeId except) {
  std::vector<NodeId> candidates;
  for (const auto& [node, status] : view_.peers()) {
    if (node != self_.node && node != except && status.state == State::kAlive) {
      candidates.push_back(node);
    }
  }
  for (size_t i = 0; i < candidates.size() && i < count; ++i) {
    std::swap(candidates[i], candidates[i + random_() % (candidates.size() - i)]);
  }
  candidates.resize(std::min(count, candidates.size()));
  return candidates;
}

// ---- beginning and end -----------------------------------------------------

Membership::Output Membership::Start(const std::vector<Peer>& known, std::vector<std::string> seeds,
                                     int64_t now_micros) {
  Output out;
  RaiseIncarnation(self_.incarnation, &out);
  for (const Peer& peer : known) {
    if (peer.node != self_.node) {
      view_.Put(peer.node) = {.peer = peer, .state = State::kAlive, .confirmers = {}};
    }
  }
  seeds_ = std::move(seeds);
  // Not all members of a cluster that starts at once in the same moment.
  next_probe_ = now_micros + static_cast<int64_t>(
                                 random_() % static_cast<uint64_t>(options_.probe_interval_micros));
  next_dead_probe_ = now_micros + options_.dead_probe_interval_micros;
  for (const std::string& address : seeds_) {
    SendSync(Kind::kSync, 0, address, next_sequence_++, &out);
  }
  next_sync_ = now_micros + options_.sync_interval_micros;
  return out;
}

Membership::Output Membership::Leave(int64_t now_micros) {
  (void)now_micros;
  Output out;
  leaving_ = true;
  PeerStatus& me = view_.Put(self_.node);
  me.state = State::kLeft;
  Tell(me);
  for (const NodeId node : Draw(kToldOfLeaving, self_.node)) {
    Send(view_.Find(node)->peer, Make(Kind::kPing, next_sequence_++, node), &out);
  }
  return out;
}

void Membership::Forget(NodeId node) {
  assert(node != self_.node);
  view_.Erase(node);
  suspected_since_.erase(node);
  verify_.erase(node);
}

// ---- sending ---------------------------------------------------------------

Message Membership::Make(Kind kind, uint64_t sequence, NodeId subject) const {
  return {.kind = kind, .sequence = sequence, .subject = subject, .sender = self_, .rumors = {}};
}

void Membership::Tell(const PeerStatus& status) {
  rumors_.Add({.peer = status.peer,
               .state = status.state == State::kDead ? State::kSuspect : status.state,
               .confirmers = status.confirmers});
}

void Membership::Send(const Peer& to, Message message, Output* out) {
  const int times = options_.rumor_multiplier *
                    static_cast<int>(std::ceil(std::log10(static_cast<double>(Members()) + 1)));
  message.rumors = rumors_.Take(options_.rumor_bytes, times);
  // The buddy rule: who is suspected hears of it from everybody who talks to him.
  const PeerStatus* status = view_.Find(to.node);
  if (status != nullptr && status->state != State::kAlive) {
    std::erase_if(message.rumors, [&](const Rumor& r) { return r.peer.node == to.node; });
    message.rumors.insert(message.rumors.begin(),
                          {.peer = status->peer,
                           .state = status->state == State::kDead ? State::kSuspect : status->state,
                           .confirmers = status->confirmers});
  }
  out->messages.push_back({to.node, to.address, std::move(message)});
}

void Membership::SendSync(Kind kind, NodeId to, const std::string& address, uint64_t sequence,
                          Output* out) {
  Message message = Make(kind, sequence, to);
  for (const auto& [node, status] : view_.peers()) {
    if (node != self_.node) {
      message.rumors.push_back(
          {.peer = status.peer,
           .state = status.state == State::kDead ? State::kSuspect : status.state,
           .confirmers = status.confirmers});
    }
  }
  out->messages.push_back({to, address, std::move(message)});
}

// ---- probing ---------------------------------------------------------------

void Membership::BeginProbe(NodeId target, int64_t now_micros, Output* out) {
  const PeerStatus& status = *view_.Find(target);
  const uint64_t sequence = next_sequence_++;
  probes_[sequence] = {.target = target,
                       .ask_helpers_at = now_micros + Scaled(options_.probe_timeout_micros),
                       .ends_at = now_micros + Scaled(options_.probe_interval_micros),
                       .asked = false,
                       .of_dead = status.state == State::kDead || status.state == State::kLeft,
                       .nacks_missing = 0};
  Send(status.peer, Make(Kind::kPing, sequence, target), out);
}

void Membership::AskHelpers(uint64_t sequence, Probe* probe, Output* out) {
  probe->asked = true;
  if (probe->of_dead) {
    return;
  }
  for (const NodeId helper : Draw(static_cast<size_t>(options_.helpers), probe->target)) {
    Send(view_.Find(helper)->peer, Make(Kind::kPingRequest, sequence, probe->target), out);
    ++probe->nacks_missing;
  }
}

void Membership::Fail(const Probe& probe, int64_t now_micros, Output* out) {
  const PeerStatus* status = view_.Find(probe.target);
  if (probe.of_dead || status == nullptr || status->state == State::kLeft) {
    return;
  }
  // Helpers that are silent too point at this node; without helpers nothing is known.
  Health(probe.nacks_missing);
  const Rumor rumor{.peer = status->peer, .state = State::kSuspect, .confirmers = {self_.node}};
  Hear(rumor, now_micros, out);
}

// Everybody once, in random order, before anybody twice.
NodeId Membership::NextTarget() {
  for (int round = 0; round < 2; ++round) {
    while (!turns_.empty()) {
      const NodeId node = turns_.front();
      turns_.pop_front();
      const State state = view_.StateOf(node);
      if (state == State::kAlive || state == State::kSuspect) {
        return node;
      }
    }
    for (const auto& [node, status] : view_.peers()) {
      if (node != self_.node) {
        turns_.push_back(node);
      }
    }
    std::shuffle(turns_.begin(), turns_.end(), random_);
  }
  return 0;
}

void Membership::ProbeOneOfTheDead(int64_t now_micros, Output* out) {
  std::vector<NodeId> dead;
  for (const auto& [node, status] : view_.peers()) {
    if (status.state == State::kDead && node != self_.node) {
      dead.push_back(node);
    }
  }
  if (!dead.empty()) {
    BeginProbe(dead[random_() % dead.size()], now_micros, out);
  }
}

Membership::Output Membership::Tick(int64_t now_micros) {
  Output out;
  if (leaving_) {
    return out;
  }
  TickRelays(now_micros, &out);
  TickProbes(now_micros, &out);
  TickSuspects(now_micros, &out);
  if (now_micros >= next_dead_probe_) {
    next_dead_probe_ = now_micros + options_.dead_probe_interval_micros;
    ProbeOneOfTheDead(now_micros, &out);
  }
  if (now_micros >= next_sync_) {
    next_sync_ = now_micros + options_.sync_interval_micros;
    if (view_.peers().size() == 1) {
      for (const std::string& address : seeds_) {
        SendSync(Kind::kSync, 0, address, next_sequence_++, &out);
      }
    }
  }
  return out;
}

void Membership::TickRelays(int64_t now_micros, Output* out) {
  for (auto it = relays_.begin(); it != relays_.end();) {
    Relay& relay = it->second;
    if (!relay.nacked && now_micros >= relay.nack_at) {
      relay.nacked = true;
      Send(relay.asker, Make(Kind::kNack, relay.asker_sequence, relay.target), out);
    }
    it = now_micros >= relay.ends_at ? relays_.erase(it) : std::next(it);
  }
}

void Membership::TickProbes(int64_t now_micros, Output* out) {
  std::vector<Probe> failed;
  for (auto it = probes_.begin(); it != probes_.end();) {
    auto& [sequence, probe] = *it;
    if (now_micros >= probe.ends_at) {
      failed.push_back(probe);
      it = probes_.erase(it);
      continue;
    }
    if (!probe.asked && now_micros >= probe.ask_helpers_at) {
      AskHelpers(sequence, &probe, out);
    }
    ++it;
  }
  for (const Probe& probe : failed) {
    Fail(probe, now_micros, out);
  }
  for (const NodeId node : std::exchange(verify_, {})) {
    if (view_.StateOf(node) == State::kSuspect) {
      BeginProbe(node, now_micros, out);
    }
  }
  if (now_micros >= next_probe_) {
    next_probe_ = now_micros + Scaled(options_.probe_interval_micros);
    if (const NodeId target = NextTarget(); target != 0) {
      BeginProbe(target, now_micros, out);
    }
    // One of those that this node suspects itself, so that it hears of it and can refute.
    std::vector<NodeId> mine;
    for (const auto& [node, since] : suspected_since_) {
      const auto& confirmers = view_.Find(node)->confirmers;
      if (std::binary_search(confirmers.begin(), confirmers.end(), self_.node)) {
        mine.push_back(node);
      }
    }
    if (!mine.empty()) {
      BeginProbe(mine[random_() % mine.size()], now_micros, out);
    }
  }
}

void Membership::TickSuspects(int64_t now_micros, Output* out) {
  for (auto it = suspected_since_.begin(); it != suspected_since_.end();) {
    const auto& [node, since] = *it;
    const PeerStatus& status = *view_.Find(node);
    const int64_t wait = SuspicionMicros(options_, Members(), status.confirmers.size());
    if (now_micros - since < wait || !IsConfirmed(node, status.confirmers, view_)) {
      ++it;
      continue;
    }
    view_.Put(node).state = State::kDead;
    out->events.push_back({EventKind::kDead, node, status.peer.address});
    it = suspected_since_.erase(it);
  }
}

int64_t Membership::NextTick() const {
  int64_t next = std::min({next_probe_, next_dead_probe_, next_sync_});
  if (!verify_.empty()) {
    return 0;
  }
  for (const auto& [sequence, probe] : probes_) {
    next = std::min(next, probe.asked ? probe.ends_at : probe.ask_helpers_at);
  }
  for (const auto& [sequence, relay] : relays_) {
    next = std::min(next, relay.nacked ? relay.ends_at : relay.nack_at);
  }
  for (const auto& [node, since] : suspected_since_) {
    const auto& confirmers = view_.Find(node)->confirmers;
    // A suspect that is due but not confirmed waits for news, which come by Step.
    if (IsConfirmed(node, confirmers, view_)) {
      next = std::min(next, since + SuspicionMicros(options_, Members(), confirmers.size()));
    }
  }
  return next;
}

// ---- hearing ---------------------------------------------------------------

Membership::Output Membership::Step(const Message& message, int64_t now_micros) {
  Output out;
  const NodeId from = message.sender.node;
  const bool to_other = (message.kind == Kind::kPing || message.kind == Kind::kSync) &&
                        message.subject != 0 && message.subject != self_.node;
  if (from == self_.node) {
    if (message.sender.address != self_.address) {
      out.events.push_back({EventKind::kImpostor, from, message.sender.address});
    }
    return out;
  }
  if (to_other || leaving_) {
    return out;  // the address belonged to somebody else before
  }
  const State before = view_.StateOf(from);
  Hear({.peer = message.sender, .state = State::kAlive, .confirmers = {}}, now_micros, &out);
  for (const Rumor& rumor : message.rumors) {
    Hear(rumor, now_micros, &out);
  }
  switch (message.kind) {
    case Kind::kPing:
      Send(message.sender, Make(Kind::kAck, message.sequence, self_.node), &out);
      break;
    case Kind::kPingRequest:
      OnPingRequest(message, now_micros, &out);
      break;
    case Kind::kAck:
      OnAck(message, &out);
      break;
    case Kind::kNack:
      if (const auto probe = probes_.find(message.sequence);
          probe != probes_.end() && probe->second.target == message.subject) {
        probe->second.nacks_missing = std::max(0, probe->second.nacks_missing - 1);
      }
      break;
    case Kind::kSync:
      SendSync(Kind::kSyncReply, from, message.sender.address, message.sequence, &out);
      break;
    case Kind::kSyncReply:
      break;
  }
  // Somebody from the other side of a partition that has healed: learn who else is there.
  if (before == State::kDead && view_.IsAlive(from) && now_micros >= next_sync_ &&
      message.kind != Kind::kSync && message.kind != Kind::kSyncReply) {
    next_sync_ = now_micros + options_.sync_interval_micros;
    SendSync(Kind::kSync, from, message.sender.address, next_sequence_++, &out);
  }
  return out;
}

void Membership::OnPingRequest(const Message& message, int64_t now_micros, Output* out) {
  const PeerStatus* target = view_.Find(message.subject);
  if (target == nullptr || message.subject == self_.node || relays_.size() >= kMaxRelays) {
    return;
  }
  const uint64_t sequence = next_sequence_++;
  relays_[sequence] = {.asker = message.sender,
                       .asker_sequence = message.sequence,
                       .target = message.subject,
                       .nack_at = now_micros + options_.probe_timeout_micros * 4 / 5,
                       .ends_at = now_micros + options_.probe_interval_micros,
                       .nacked = false};
  Send(target->peer, Make(Kind::kPing, sequence, message.subject), out);
}

void Membership::OnAck(const Message& message, Output* out) {
  if (const auto relay = relays_.find(message.sequence);
      relay != relays_.end() && relay->second.target == message.sender.node) {
    // What the target says of itself goes along, so that a refutation arrives.
    Message ack = Make(Kind::kAck, relay->second.asker_sequence, message.sender.node);
    const Peer asker = relay->second.asker;
    relays_.erase(relay);
    Send(asker, std::move(ack), out);
    auto& rumors = out->messages.back().message.rumors;
    const bool told = std::any_of(rumors.begin(), rumors.end(), [&](const Rumor& r) {
      return r.peer.node == message.sender.node;
    });
    if (!told) {
      rumors.push_back({.peer = message.sender, .state = State::kAlive, .confirmers = {}});
    }
    return;
  }
  const auto probe = probes_.find(message.sequence);
  if (probe != probes_.end() && probe->second.target == message.subject) {
    if (!probe->second.of_dead) {
      Health(-1);
    }
    probes_.erase(probe);
  }
}

void Membership::RaiseIncarnation(uint64_t above, Output* out) {
  self_.incarnation = above + 1;
  out->persist_incarnation = self_.incarnation;
  PeerStatus& me = view_.Put(self_.node);
  me = {.peer = self_, .state = State::kAlive, .confirmers = {}};
  Tell(me);
}

void Membership::HearOfSelf(const Rumor& rumor, Output* out) {
  const bool is_old = rumor.peer.incarnation < self_.incarnation;
  const bool is_mine = rumor.state == State::kAlive && rumor.peer.incarnation == self_.incarnation;
  if (is_old || is_mine || leaving_) {
    return;
  }
  if (rumor.state == State::kSuspect) {
    Health(1);
  }
  RaiseIncarnation(rumor.peer.incarnation, out);
}

void Membership::HearOfNew(const Rumor& rumor, int64_t now_micros, Output* out) {
  if (rumor.state == State::kLeft || view_.peers().size() >= kMaxPeers) {
    return;
  }
  PeerStatus& status = view_.Put(rumor.peer.node);
  status = {.peer = rumor.peer, .state = State::kAlive, .confirmers = {}};
  Tell(status);
  out->events.push_back({EventKind::kJoined, rumor.peer.node, rumor.peer.address});
  // Somewhere among those still to be probed in this round.
  turns_.insert(turns_.begin() + static_cast<ptrdiff_t>(random_() % (turns_.size() + 1)),
                rumor.peer.node);
  if (rumor.state == State::kSuspect) {
    Suspect(rumor, now_micros, out);
  }
}

// The rules of SWIM: a higher incarnation wins; at the same one, leaving over suspicion over life.
void Membership::Hear(const Rumor& rumor, int64_t now_micros, Output* out) {
  const NodeId node = rumor.peer.node;
  if (node == self_.node) {
    HearOfSelf(rumor, out);
    return;
  }
  const PeerStatus* known = view_.Find(node);
  if (known == nullptr) {
    HearOfNew(rumor, now_micros, out);
    return;
  }
  if (rumor.peer.incarnation < known->peer.incarnation) {
    return;
  }
  const bool is_newer = rumor.peer.incarnation > known->peer.incarnation;
  if (is_newer) {
    const State before = known->state;
    PeerStatus& status = view_.Put(node);
    status = {.peer = rumor.peer, .state = State::kAlive, .confirmers = {}};
    suspected_since_.erase(node);
    Tell(status);
    if (before != State::kAlive && rumor.state == State::kAlive) {
      out->events.push_back({EventKind::kAlive, node, rumor.peer.address});
    }
  }
  if (rumor.state == State::kSuspect) {
    Suspect(rumor, now_micros, out);
  } else if (rumor.state == State::kLeft && view_.StateOf(node) != State::kLeft) {
    PeerStatus& status = view_.Put(node);
    status.state = State::kLeft;
    status.confirmers.clear();
    suspected_since_.erase(node);
    Tell(status);
    out->events.push_back({EventKind::kLeft, node, status.peer.address});
  }
}

void Membership::Suspect(const Rumor& rumor, int64_t now_micros, Output* out) {
  const NodeId node = rumor.peer.node;
  const State state = view_.StateOf(node);
  if (state == State::kLeft) {
    return;
  }
  std::vector<NodeId> confirmers = view_.Find(node)->confirmers;
  if (!MergeConfirmers(rumor.confirmers, view_, &confirmers)) {
    return;
  }
  PeerStatus& status = view_.Put(node);
  status.confirmers = std::move(confirmers);
  if (state == State::kAlive) {
    status.state = State::kSuspect;
  }
  Tell(status);
  if (state != State::kAlive) {
    return;
  }
  suspected_since_[node] = now_micros;
  out->events.push_back({EventKind::kSuspect, node, status.peer.address});
  // So that enough look for themselves, soon, but not all.
  if (random_() % std::max<size_t>(1, Members()) < static_cast<size_t>(options_.verifiers)) {
    verify_.insert(node);
  }
}

}  // namespace kvfs::membership
