#include "transport/switchboard.h"

#include <algorithm>
#include <utility>

namespace kvfs::transport {
namespace {

constexpr size_t kMaxUnknownAddresses = 64;

size_t Index(env::Lane lane) { return static_cast<size_t>(lane); }

}  // namespace

Switchboard::Link Switchboard::MakeLink() const {
  Link link;
  for (const size_t bytes : options_.outbox_bytes) {
    link.outboxes.emplace_back(bytes);
  }
  return link;
}

void Switchboard::SetPeer(env::NodeId node, PeerAddress address) {
  const std::lock_guard lock(mutex_);
  const LinkKey key{.node = node, .address = {}};
  const auto [at, is_new] = links_.try_emplace(key, MakeLink());
  Link& link = at->second;
  if (link.address && link.address->address == address.address &&
      link.address->public_key == address.public_key) {
    return;
  }
  visitors_ -= !is_new && !link.address ? 1 : 0;
  link.address = std::move(address);
  link.generation = next_generation_++;
  changed_.insert(key);
}

void Switchboard::RemovePeer(env::NodeId node) {
  const std::lock_guard lock(mutex_);
  const LinkKey key{.node = node, .address = {}};
  if (const auto at = links_.find(key); at != links_.end()) {
    visitors_ -= at->second.address ? 0 : 1;
    links_.erase(at);
    changed_.insert(key);
  }
}

Status Switchboard::PushLocked(const LinkKey& key, Link* link, env::Lane lane, Outgoing message,
                               int64_t now_micros) {
  Outbox& outbox = link->outboxes[Index(lane)];
  const uint64_t expired = outbox.expired();
  const bool fits = outbox.Push(std::move(message), now_micros);
  stats_.expired += outbox.expired() - expired;
  if (!fits) {
    ++stats_.refused_full;
    return Status::Unavailable("too much waits to be sent there");
  }
  changed_.insert(key);
  return Status::Ok();
}

Status Switchboard::Push(env::NodeId node, env::Lane lane, Outgoing message, int64_t now_micros) {
  const std::lock_guard lock(mutex_);
  const auto at = links_.find({.node = node, .address = {}});
  if (at == links_.end()) {
    return Status::Unavailable("no address of node " + std::to_string(node) + " is known");
  }
  return PushLocked(at->first, &at->second, lane, std::move(message), now_micros);
}

Status Switchboard::PushTo(const PeerAddress& address, env::Lane lane, Outgoing message,
                           int64_t now_micros) {
  const std::lock_guard lock(mutex_);
  const LinkKey key{.node = 0, .address = address.address};
  auto at = links_.find(key);
  if (at == links_.end()) {
    // They sort first. Seeds are few.
    const auto unknown =
        std::distance(links_.begin(), links_.lower_bound({.node = 1, .address = {}}));
    if (static_cast<size_t>(unknown) >= kMaxUnknownAddresses) {
      return Status::Unavailable("too many addresses whose nodes are not known");
    }
    at = links_.emplace(key, MakeLink()).first;
    at->second.address = address;
    at->second.generation = next_generation_++;
  }
  return PushLocked(key, &at->second, lane, std::move(message), now_micros);
}

void Switchboard::SetAllowed(std::map<PublicKey, env::NodeId> allowed) {
  const std::lock_guard lock(mutex_);
  allowed_ = std::move(allowed);
}

std::set<LinkKey> Switchboard::TakeChanged() {
  const std::lock_guard lock(mutex_);
  return std::exchange(changed_, {});
}

std::optional<Switchboard::Connection> Switchboard::ConnectionOf(const LinkKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto at = links_.find(key);
  if (at == links_.end() || !at->second.address) {
    return std::nullopt;
  }
  return Connection{*at->second.address, at->second.generation};
}

std::optional<Outgoing> Switchboard::Pop(const LinkKey& key, env::Lane lane, int64_t now_micros) {
  const std::lock_guard lock(mutex_);
  const auto at = links_.find(key);
  if (at == links_.end()) {
    return std::nullopt;
  }
  Outbox& outbox = at->second.outboxes[Index(lane)];
  const uint64_t expired = outbox.expired();
  auto message = outbox.Pop(now_micros);
  stats_.expired += outbox.expired() - expired;
  return message;
}

void Switchboard::PutBack(const LinkKey& key, env::Lane lane, Outgoing message) {
  const std::lock_guard lock(mutex_);
  if (const auto at = links_.find(key); at != links_.end()) {
    at->second.outboxes[Index(lane)].PutBack(std::move(message));
  }
}

void Switchboard::Visited(env::NodeId node, env::Lane lane, const Bytes& routing_id) {
  const std::lock_guard lock(mutex_);
  const LinkKey key{.node = node, .address = {}};
  auto at = links_.find(key);
  if (at != links_.end() && at->second.address) {
    return;
  }
  if (at == links_.end()) {
    if (visitors_ >= options_.max_visitors) {
      // The one that was not heard of for longest makes room.
      auto oldest = links_.end();
      for (auto it = links_.begin(); it != links_.end(); ++it) {
        if (!it->second.address &&
            (oldest == links_.end() || it->second.last_visit < oldest->second.last_visit)) {
          oldest = it;
        }
      }
      links_.erase(oldest);
      --visitors_;
    }
    at = links_.emplace(key, MakeLink()).first;
    ++visitors_;
  }
  at->second.last_visit = ++visits_;
  at->second.routing_ids[Index(lane)] = routing_id;
}

std::optional<Bytes> Switchboard::RoutingId(env::NodeId node, env::Lane lane) const {
  const std::lock_guard lock(mutex_);
  const auto at = links_.find({.node = node, .address = {}});
  if (at == links_.end() || at->second.address) {
    return std::nullopt;
  }
  // Whoever came on one lane only is answered there.
  const auto& ids = at->second.routing_ids;
  if (!ids[Index(lane)].empty()) {
    return ids[Index(lane)];
  }
  const auto any =
      std::find_if(ids.begin(), ids.end(), [](const Bytes& id) { return !id.empty(); });
  return any == ids.end() ? std::nullopt : std::optional(*any);
}

std::optional<env::NodeId> Switchboard::NodeOfKey(const PublicKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto at = allowed_.find(key);
  return at == allowed_.end() ? std::nullopt : std::optional(at->second);
}

void Switchboard::Count(uint64_t BusStats::*counter, uint64_t by) {
  const std::lock_guard lock(mutex_);
  stats_.*counter += by;
}

BusStats Switchboard::GetStats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace kvfs::transport
